-- What the server or a command follows by itself: where it stands, and when a feed was first seen to name a filing.

create table sources (
    name text collate "C" primary key,
    state text not null,            -- JSON, the follower's own: changed in the transaction that stores what it told, or after it
    changed_at bigint not null
);

create table sightings (
    filing bigint primary key references filings (number),
    seen_at bigint not null
);
