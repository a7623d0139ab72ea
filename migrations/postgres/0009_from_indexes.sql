-- Whether others report a declaration beside its principal insider: then who they are is looked up, otherwise an index of lists says it all.

alter table declarations add column joint boolean not null default false;
update declarations set joint = true where number in
    (select declaration from declaration_people group by declaration having count(*) > 1);
create index declaration_people_by_declaration on declaration_people (declaration, insider);

-- Lists are read from their indexes alone: each holds the number of the row, too.
drop index declarations_by_time;
create index declarations_by_time on declarations
    (published_at desc, amf_id, market, direction, score, is_cluster, amount_micros, company, insider, joint, number);
drop index declarations_by_score;
create index declarations_by_score on declarations
    (score desc, amf_id, published_at, market, direction, is_cluster, amount_micros, company, insider, joint, number);
drop index declarations_by_amount;
create index declarations_by_amount on declarations
    (amount_micros desc, amf_id, published_at, market, direction, score, is_cluster, company, insider, joint, number);
drop index declarations_by_company;
create index declarations_by_company on declarations (company, published_at desc, amf_id, direction, score, number);
drop index declarations_by_market;
create index declarations_by_market on declarations
    (market, published_at desc, amf_id, direction, score, is_cluster, amount_micros, company, insider, joint, number);
drop index declarations_by_insider;
create index declarations_by_insider on declarations (insider, published_at desc, amf_id, number);
drop index declarations_by_isin;
create index declarations_by_isin on declarations (isin, published_at desc, amf_id, number) where isin is not null;
drop index declarations_by_direction;
create index declarations_by_direction on declarations (direction, published_at desc, amf_id, number) where direction is not null;
drop index declarations_by_cluster;
create index declarations_by_cluster on declarations (published_at desc, amf_id, number) where is_cluster;

-- Names are counted along their words, those of companies apart from those of insiders: the market, and how much of its beginning a word
-- shares with the one before it among the words of the same name, in the order of the alphabet, so that a name with two words that begin
-- alike counts once.
create table words_of_names (
    kind bigint not null,           -- 0 company, 1 insider
    word text collate "C" not null,             -- lower case, without marks
    number bigint not null,
    market text collate "C" not null,
    shared bigint not null,         -- bytes
    primary key (kind, word, number) include (market, shared)
);
with recursive lengths (length) as (select 1 union all select length + 1 from lengths where length < 40)
insert into words_of_names (kind, word, number, market, shared)
    select n.kind, n.word, n.number,
        coalesce((select c.market from companies c where n.kind = 0 and c.number = n.number),
            (select i.market from insiders i where n.kind = 1 and i.number = n.number)),
        coalesce(
            (select max(l.length) from lengths l, name_words o
             where o.kind = n.kind and o.number = n.number and o.word < n.word and length(o.word) >= l.length
                 and substr(o.word, 1, l.length) = substr(n.word, 1, l.length)), 0)
    from name_words n;
drop table name_words;
alter table words_of_names rename to name_words;
create index name_words_by_number on name_words (number, kind, word, shared);
