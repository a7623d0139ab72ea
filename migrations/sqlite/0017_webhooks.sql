-- Webhooks: the second channel. An endpoint stands somewhere in the log; what it is behind costs nothing but that row.

create table hooks (
    id text primary key,            -- UUID
    account_id text not null references accounts (id),
    url text not null,
    description text not null,
    filter text not null,           -- as it was asked for: a JSON object
    compat text,                    -- sigmate: that service's headers beside the standard's
    ordered boolean not null,      -- a signal is sent once the one before it is answered, or failed
    enabled boolean not null,
    disabled_why text,              -- asked, gone (410), failing (for days); null while it is enabled
    disabled_at bigint,
    secret text not null,           -- sealed: see webhook/secret.rs
    old_secret text,                -- the one before, sealed; it signs beside the new one until then
    old_secret_until bigint,
    created_at bigint not null,
    version bigint not null,        -- of hook_version, when its owner or its state last changed
    epoch text not null,            -- the log that it stands in, ...
    sent_to bigint not null,        -- ... and where: all up to this seq was answered, is a row of hook_messages, or did not pass
    failing_since bigint,           -- the first attempt that failed since the last that did not
    failing_messages bigint not null default 0, -- how many messages have failed since
    answered_at bigint,             -- the last attempt that did not
    node text,              -- which node sends; null: none does
    asked bigint not null default 0, -- grows with whatever is to be sent again: who sends looks for it
    fence bigint not null default 0 -- grows with each taking: who was taken from writes nothing any more
);
create index hooks_of_account on hooks (account_id, created_at);
create index hooks_of_node on hooks (node);
-- Bumped by whatever changes endpoints: by it nodes know that they have to look whose streams are noted.
create table hook_version (
    only_row integer primary key check (only_row = 1),
    version bigint not null
);
insert into hook_version values (1, 0);

-- Messages that are to be sent again, or were given up: at most 64 of an endpoint wait, and its place in the log waits with them.
create table hook_messages (
    hook_id text not null references hooks (id) on delete cascade,
    seq bigint not null,
    signal_id text not null,
    attempts bigint not null,       -- made so far
    first_at bigint not null,       -- when the first was made
    next_at bigint,                 -- when the next is due; null: none is, it has failed
    primary key (hook_id, seq)
);

-- Ranges that are to be sent again: each is a place that moves on, as an endpoint's own.
create table hook_ranges (
    id integer primary key,
    hook_id text not null references hooks (id) on delete cascade,
    sent_to bigint not null,
    until bigint not null,          -- its last seq
    failed_since bigint,            -- only messages that failed, and were first sent from then on; null: all signals that pass
    asked_at bigint not null
);
create index hook_ranges_of on hook_ranges (hook_id);

-- Every attempt, as long as webhook.attempt_days says.
create table hook_attempts (
    id integer primary key,
    hook_id text not null references hooks (id) on delete cascade,
    seq bigint,                     -- null: a test
    signal_id text not null,
    attempt bigint not null,        -- the how many-th at this message
    at bigint not null,
    took bigint not null,           -- microseconds
    status bigint,                  -- of the answer; null: there was none
    error text,                     -- its class; null: it was acknowledged
    answer text                     -- the first kB
);
create index hook_attempts_of on hook_attempts (hook_id, id);
create index hook_attempts_by_time on hook_attempts (at);

-- Proof that a node has the key that seals the secrets above: a text sealed by the first that made one.
create table hook_seal (
    only_row integer primary key check (only_row = 1),
    sealed text not null
);
