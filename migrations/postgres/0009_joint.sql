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
