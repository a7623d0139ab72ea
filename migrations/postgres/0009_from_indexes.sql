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

-- Names are counted along their words: the market, and how much of its beginning a word shares with the one before it among the words of
-- the same name, in the order of the alphabet, so that a name with two words that begin alike counts once.
alter table name_words add column market text collate "C" not null default '';
alter table name_words add column shared bigint not null default 0;
update name_words set market = (select c.market from companies c where c.number = name_words.number) where kind = 0;
update name_words set market = (select i.market from insiders i where i.number = name_words.number) where kind = 1;
with recursive lengths (length) as (select 1 union all select length + 1 from lengths where length < 40)
update name_words set shared = coalesce(
    (select max(l.length) from lengths l, name_words o
     where o.kind = name_words.kind and o.number = name_words.number and o.word < name_words.word and length(o.word) >= l.length
         and substr(o.word, 1, l.length) = substr(name_words.word, 1, l.length)), 0);
-- What a count of names needs stands in the one index that it goes through.
alter table name_words drop constraint name_words_pkey;
alter table name_words add primary key (word, kind, number) include (market, shared);
