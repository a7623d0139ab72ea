-- What was written to the streams of accounts that have webhooks, so that both channels can be held against the log: a row for each connection and
-- unbroken range of it. Written, not received; saved every few seconds, so that a crash says less than was written, and never more.
create table stream_writes (
    node text collate "C" not null,             -- the process: drawn when it started
    number bigint not null,         -- of the range, unlike any other of that process
    connection bigint not null,     -- as /v1/connections shows it
    account_id text collate "C" not null references accounts (id),
    key_id text collate "C" not null references api_keys (id),
    epoch text collate "C" not null,            -- which log
    after_seq bigint not null,      -- it begins behind this one, ...
    until_seq bigint not null,      -- ... and this is its last; between them, nothing is missing but what the filter hid
    filter text collate "C",                    -- what the stream was asked for, a JSON object; null: everything
    opened_at bigint not null,
    saved_at bigint not null,       -- nothing in it was published later
    closed_at bigint,               -- null: open when it was saved
    primary key (node, number)
);
-- The latest are asked for most. There is none by saved_at, which changes with every saving and is asked for when rows are forgotten alone.
create index stream_writes_of on stream_writes (account_id, until_seq);

-- What became of given signals at an endpoint.
create index hook_attempts_at on hook_attempts (hook_id, seq);
