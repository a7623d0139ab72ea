-- Calls without a key. Of who makes them there is a keyed digest alone, whose key, the day's salt, is forgotten when its calls have stopped counting.

-- What proves that challenges and watermarks are this database's: 32 bytes in hexadecimal, made once by whichever node was first.
create table sandbox_secret (
    only_row integer primary key check (only_row = 1),
    secret text collate "C" not null
);

create table sandbox_salts (
    day bigint primary key,                -- of UTC, since 1970-01-01
    salt text collate "C" not null         -- 32 bytes in hexadecimal
);

-- Calls that were let pass within the last 24 hours, by the database's clock.
create table sandbox_calls (
    fingerprint text collate "C" not null,
    at bigint not null,                    -- no two of a fingerprint are the same
    primary key (fingerprint, at)
);
create index sandbox_calls_by_time on sandbox_calls (at);

-- What proved work for a call, until it proves nothing any more anyway.
create table sandbox_proofs (
    id text collate "C" primary key,
    until bigint not null
);
create index sandbox_proofs_by_time on sandbox_proofs (until);
