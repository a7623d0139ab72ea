-- What may arrive late: tickers, what files say of a ticker alone, and amendments that turn out to be of another filing.

-- When the filing was published that says so: of tickers (and ISINs) the latest counts, in whatever order they arrive. Least where a
-- file says so, null where nobody does.
alter table companies add column symbol_at bigint;
alter table companies add column isin_at bigint;
update companies set symbol_at = named_at where symbol is not null;
update companies set isin_at = named_at where isin is not null;

-- What files say of a ticker: it holds for whichever companies have it, now or later.
create table symbols (
    market text not null,
    symbol text not null,
    isin text,
    description text,
    primary key (market, symbol)
) without rowid;

create table symbol_caps (
    market text not null,
    symbol text not null,
    day bigint not null,
    amount text not null,
    primary key (market, symbol, day)
) without rowid;

-- The filing that took its filing's place, says its latest assessment: where that is another one now, it is assessed anew.
alter table declarations add column superseded_by text;

-- A company's backtests are made anew as a whole.
create index backtests_by_company on backtests (company, published_at);
