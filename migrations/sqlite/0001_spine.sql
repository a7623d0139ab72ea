-- The spine: the signal log, who may read it, the facts, and what the consensus engine made of them.
-- Times are microseconds since the Unix epoch, money is millionths of a dollar, quantities that may exceed 63 bits are text.

-- The counter that makes the log gapless and in commit order: bumped in the transaction that inserts the rows.
create table log_head (
    only_row integer primary key check (only_row = 1),
    epoch text not null,            -- names this log; drawn when the database is created
    seq bigint not null,            -- the last row's
    published_at bigint not null,   -- the last row's; the next one's is never earlier
    oldest bigint not null          -- the first row that is still there
);

create table signals (
    seq integer primary key,
    id text not null unique,        -- UUID, lower case: publishing is idempotent by it
    published_at bigint not null,
    -- A superset of what filters look at, so that a selective listing does not read every body; the filter itself decides on the body.
    signal_type text,
    best_rank bigint,               -- 0 for D to 4 for S: the row's own or, for an exit, what its episode reached
    best_score double precision,
    token text,
    market text,
    body text not null              -- as published, without seq and published_at
);
create index signals_by_time on signals (published_at);

create table accounts (
    id text primary key,
    name text not null,
    plan text not null,
    expires_at bigint,
    suspended_at bigint,
    created_at bigint not null
);

create table api_keys (
    id text primary key,
    account_id text not null references accounts (id),
    kind text not null,
    hash text not null unique,      -- SHA-256, hex: the key itself is kept nowhere
    prefix text not null,
    created_at bigint not null,
    expires_at bigint,
    revoked_at bigint
);
create index api_keys_by_account on api_keys (account_id, created_at);

-- One-time tickets for clients that cannot send headers.
create table stream_tickets (
    hash text primary key,          -- SHA-256, hex
    key_id text not null references api_keys (id),
    expires_at bigint not null,     -- to be spent before
    spent_at bigint,
    closed_at bigint                -- when the stream that it opened ended; null while it is open
);

-- Bumped by whatever changes accounts, keys or plans: servers look at it on every tick.
create table access_version (
    only_row integer primary key check (only_row = 1),
    version bigint not null
);

-- Every fact, in order of arrival: the engines apply them in this order, and again in this order after a restart.
create table facts (
    arrival integer primary key,
    kind bigint not null,           -- 0 swap, 1 transfer, 2 token, 3 wallet, 4 sol_price
    subject bigint not null,        -- 64 bits of a digest of the mint; of a wallet fact of the wallet; of a price 0
    time bigint not null,           -- event time
    arrived_at bigint not null,
    backfill boolean not null,      -- builds books, fires nothing
    body text not null              -- its NDJSON line, amounts in dollars
);
-- Small integers: what stands in an index is most of what storing a fact costs. Readers sort out who shares a digest.
create index facts_by_subject on facts (subject, kind, time);

-- What is known: 128 bits of what each fact is known by, in one of two tables. They have no order in time, and each that is put
-- among millions of others writes a page of its own: in bulk they are gathered in the second one, and moved in the order of keys.
create table fact_keys (
    key_high bigint not null,
    key_low bigint not null,
    primary key (key_high, key_low)
) without rowid;
create table fact_keys_recent (
    key_high bigint not null,
    key_low bigint not null,
    primary key (key_high, key_low)
) without rowid;

-- How far an engine has come.
create table engines (
    name text primary key,
    cursor bigint not null          -- arrival of the last fact applied
);

create table positions (
    wallet text not null,
    mint text not null,
    opened_at bigint not null,
    last_buy_at bigint not null,
    peak text not null,
    lots text not null,             -- quantity:cost, oldest first
    cost_sold bigint not null,
    proceeds bigint not null,
    unmatched text not null,
    primary key (wallet, mint)
) without rowid;

-- Read by wallet and time, all of a month at once: they lie in that order, and as many in a row as were stored together.
create table closed_positions (
    wallet text not null,
    closed_at bigint not null,      -- of the latest one in the row
    closed text not null,           -- closed_at:hold:pnl:return_ppm; each with a semicolon, in no order
    primary key (wallet, closed_at)
) without rowid;

create table mints (
    mint text primary key,
    high_water bigint not null,
    prices text not null
) without rowid;

create table episodes (
    mint text not null,
    ordinal bigint not null,        -- with the mint, the constraint that lets two racing engines make one episode
    id text not null unique,
    seed text not null,
    opened_at bigint not null,
    updates bigint not null,
    last_pool bigint not null,
    exited boolean not null,
    reached text not null,          -- rank:tenths, the best rank first
    triggers text not null,         -- wallet:held:sold
    primary key (mint, ordinal)
);

insert into access_version (only_row, version) values (1, 0);
insert into engines (name, cursor) values ('consensus', 0);
