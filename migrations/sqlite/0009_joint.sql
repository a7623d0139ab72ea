-- Whether others report a declaration beside its principal insider: then who they are is looked up, otherwise an index of lists says it all.

alter table declarations add column joint boolean not null default false;
update declarations set joint = true where number in
    (select declaration from declaration_people group by declaration having count(*) > 1);
create index declaration_people_by_declaration on declaration_people (declaration, insider);

drop index declarations_by_time;
create index declarations_by_time on declarations
    (published_at desc, amf_id, market, direction, score, is_cluster, amount_micros, company, insider, joint);
drop index declarations_by_score;
create index declarations_by_score on declarations
    (score desc, amf_id, published_at, market, direction, is_cluster, amount_micros, company, insider, joint);
drop index declarations_by_amount;
create index declarations_by_amount on declarations
    (amount_micros desc, amf_id, published_at, market, direction, score, is_cluster, company, insider, joint);
drop index declarations_by_market;
create index declarations_by_market on declarations
    (market, published_at desc, amf_id, direction, score, is_cluster, amount_micros, company, insider, joint);
