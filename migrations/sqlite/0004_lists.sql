-- Lists over many rows. Each order that a list can have is an index that also holds what lists are filtered by, so that skipping,
-- filtering and counting never touch the rows themselves, which are long: only the page that is answered is read.
-- Rows come in the order of the list, the last column tells apart what the others do not.

drop index declarations_by_time;
create index declarations_by_time on declarations
    (published_at desc, amf_id, market, direction, score, is_cluster, amount_micros, company, insider);
drop index declarations_by_score;
create index declarations_by_score on declarations
    (score desc, amf_id, published_at, market, direction, is_cluster, amount_micros, company, insider);
drop index declarations_by_amount;
create index declarations_by_amount on declarations
    (amount_micros desc, amf_id, published_at, market, direction, score, is_cluster, company, insider);

-- Lists of one company, market, insider, ISIN or direction.
drop index declarations_by_company;
create index declarations_by_company on declarations (company, published_at desc, amf_id, direction, score);
drop index declarations_by_market;
create index declarations_by_market on declarations
    (market, published_at desc, amf_id, direction, score, is_cluster, amount_micros, company, insider);
drop index declarations_by_insider;
create index declarations_by_insider on declarations (insider, published_at desc, amf_id);
drop index declarations_by_isin;
create index declarations_by_isin on declarations (isin, published_at desc, amf_id) where isin is not null;
drop index declarations_by_direction;
create index declarations_by_direction on declarations (direction, published_at desc, amf_id) where direction is not null;
drop index declarations_by_cluster;
create index declarations_by_cluster on declarations (published_at desc, amf_id) where is_cluster;

-- Search gives those with the most declarations first: where many are found, they are looked through in this order.
create index companies_by_declarations on companies (declarations desc, number, market);
create index insiders_by_declarations on insiders (declarations desc, number, market);
create index name_words_by_number on name_words (number, kind, word);

-- Backtests are summed in this index alone: the rows hold their texts.
drop index backtests_by_direction;
create index backtests_by_direction on backtests
    (direction, score, market, published_at, excess_30, excess_60, excess_90, excess_160, excess_180, excess_365, excess_730);
