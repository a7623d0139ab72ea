-- New shares for old: what undoes the adjustment of closes, to compare them with prices as they were filed.

create table splits (
    market text collate "C" not null,
    symbol text collate "C" not null,
    day bigint not null,            -- first session with the new shares
    ratio text not null,            -- new shares for one old; 1: there was none
    primary key (market, symbol, day)
);
