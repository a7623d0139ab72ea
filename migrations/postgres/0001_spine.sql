-- The spine: the signal log, who may read it, the facts, and what the consensus engine made of them.
-- The tables of migrations/sqlite, in the types of PostgreSQL. Texts that are compared or sorted are so by their bytes, as SQLite does it:
-- collate "C", whatever the database's own order of letters is.
-- Times are microseconds since the Unix epoch, money is millionths of a dollar, quantities that may exceed 63 bits are text.

-- The counter that makes the log gapless and in commit order: bumped in the transaction that inserts the rows.
create table log_head (
    only_row integer primary key check (only_row = 1),
    epoch text collate "C" not null,            -- names this log; drawn when the database is created
    seq bigint not null,            -- the last row's
    published_at bigint not null,   -- the last row's; the next one's is never earlier
    oldest bigint not null          -- the first row that is still there
);

create table signals (
    seq bigint primary key,
    id text collate "C" not null unique,        -- UUID, lower case: publishing is idempotent by it
    published_at bigint not null,
    -- A superset of what filters look at, so that a selective listing does not read every body; the filter itself decides on the body.
    signal_type text collate "C",
    best_rank bigint,               -- 0 for D to 4 for S: the row's own or, for an exit, what its episode reached
    best_score double precision,
    token text collate "C",
    market text collate "C",
    body text not null              -- as published, without seq and published_at
);
create index signals_by_time on signals (published_at);

create table accounts (
    id text collate "C" primary key,
    name text collate "C" not null,
    plan text collate "C" not null,
    expires_at bigint,
    suspended_at bigint,
    created_at bigint not null
);

create table api_keys (
    id text collate "C" primary key,
    account_id text collate "C" not null references accounts (id),
    kind text collate "C" not null,
    hash text collate "C" not null unique,      -- SHA-256, hex: the key itself is kept nowhere
    prefix text collate "C" not null,
    created_at bigint not null,
    expires_at bigint,
    revoked_at bigint
);
create index api_keys_by_account on api_keys (account_id, created_at);

-- One-time tickets for clients that cannot send headers.
create table stream_tickets (
    hash text collate "C" primary key,          -- SHA-256, hex
    key_id text collate "C" not null references api_keys (id),
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
    arrival bigint primary key,
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
);
create table fact_keys_recent (
    key_high bigint not null,
    key_low bigint not null,
    primary key (key_high, key_low)
);

-- How far an engine has come.
create table engines (
    name text collate "C" primary key,
    cursor bigint not null          -- arrival of the last fact applied
);

create table positions (
    wallet text collate "C" not null,
    mint text collate "C" not null,
    opened_at bigint not null,
    last_buy_at bigint not null,
    peak text not null,
    lots text not null,             -- quantity:cost, oldest first
    cost_sold bigint not null,
    proceeds bigint not null,
    unmatched text not null,
    primary key (wallet, mint)
);

-- Read by wallet and time, all of a month at once: they lie in that order, and as many in a row as were stored together.
create table closed_positions (
    wallet text collate "C" not null,
    closed_at bigint not null,      -- of the latest one in the row
    closed text not null,           -- closed_at:hold:pnl:return_ppm; each with a semicolon, in no order
    primary key (wallet, closed_at)
);

create table mints (
    mint text collate "C" primary key,
    high_water bigint not null,
    prices text not null
);

create table episodes (
    mint text collate "C" not null,
    ordinal bigint not null,        -- with the mint, the constraint that lets two racing engines make one episode
    id text collate "C" not null unique,
    seed text collate "C" not null,
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

-- Publishing from SQL. Any program that can reach the database can publish; what it publishes goes the way of all signals.
--
--     select publish_signals(array['{"id": "…", "signal_type": "…", …}']);
--
-- Each text is a JSON object that holds its id, a UUID in lower case; seq and published_at are given here. It is kept as it is written,
-- but for white space before it. All of a call is published, or nothing. A known id is answered with the place that it has already,
-- so whoever lost the answer asks again. What clients cannot read is refused, as it is over HTTP: one such signal would stop them.
create function publish_signals(signals text[])
returns table (id text, seq bigint, duplicate boolean)
language plpgsql
as $$
#variable_conflict use_column
declare
    -- room for what the log puts in front, within what every client takes
    most_bytes constant integer := 131072;
    most_depth constant integer := 64;
    body text;
    parsed jsonb;
    at integer := 0;
    head_seq bigint;
    head_time bigint;
    first_seq bigint;
    now_ms bigint;
    place bigint;
    ids text[] := '{}';
    bodies text[] := '{}';
begin
    foreach body in array coalesce(signals, '{}') loop
        at := at + 1;
        body := ltrim(body, E' \t');
        if body is null or left(body, 1) <> '{' then
            raise exception 'signal %: it is not a JSON object', at using errcode = '22023';
        end if;
        if body ~ '[\n\r]' then
            raise exception 'signal %: it holds a line break', at using errcode = '22023';
        end if;
        if octet_length(body) > most_bytes then
            raise exception 'signal %: it is larger than % bytes', at, most_bytes using errcode = '22023';
        end if;
        -- refuses what is no JSON, and halves of surrogate pairs
        parsed := body::jsonb;
        if parsed ?| array['seq', 'published_at'] then
            raise exception 'signal %: seq and published_at must not be there: the log gives them', at using errcode = '22023';
        end if;
        if (select count(*) from json_object_keys(body::json) as name where name = 'id') <> 1
            or jsonb_typeof(parsed -> 'id') <> 'string'
            or parsed ->> 'id' !~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
        then
            raise exception 'signal %: its id must be there, once, a UUID in lower case', at using errcode = '22023';
        end if;
        if signal_depth(parsed, most_depth) > most_depth then
            raise exception 'signal %: it is nested deeper than % levels', at, most_depth using errcode = '22023';
        end if;
        -- most readers hold numbers as doubles; where no number can be that long, none is looked at
        if body ~ '[eE][+]?[0-9]{3}|[0-9]{200}'
            and jsonb_path_exists(parsed, '$.** ? (@.type() == "number" && (@ >= 1.7976931348623159e308 || @ <= -1.7976931348623159e308))')
        then
            raise exception 'signal %: a number is beyond the range of a double', at using errcode = '22023';
        end if;
        ids := ids || (parsed ->> 'id');
        bodies := bodies || body;
    end loop;

    -- Holds the head of the log to the end of the transaction: whoever publishes beside waits here, and sees these ids then. As the
    -- rows are numbered behind it, seq is gapless and in the order of commits.
    select log_head.seq, log_head.published_at into head_seq, head_time from log_head where only_row = 1 for update;
    if head_seq is null then
        raise exception 'the log has no name yet; start a server on this database once, or run any command of sigcast on it';
    end if;
    first_seq := head_seq;
    now_ms := floor(extract(epoch from clock_timestamp()) * 1000)::bigint * 1000;
    head_time := greatest(head_time, now_ms);
    for at in 1 .. cardinality(ids) loop
        select known.seq into place from signals as known where known.id = ids[at];
        duplicate := found;
        if not found then
            head_seq := head_seq + 1;
            place := head_seq;
            insert into signals (seq, id, published_at, signal_type, best_rank, best_score, token, market, body)
            select place, ids[at], head_time, facets.*, bodies[at] from signal_facets(bodies[at]::json) as facets;
        end if;
        id := ids[at];
        seq := place;
        return next;
    end loop;
    if head_seq > first_seq then
        update log_head set seq = head_seq, published_at = head_time where only_row = 1;
        -- the last statement, and an empty text: those of one transaction fold into one
        perform pg_notify('sigcast', '');
    end if;
end
$$;

-- How deep objects and lists lie within each other, the value itself counted; not looked at beyond `most` levels and one.
create function signal_depth(value jsonb, most integer) returns integer
language sql immutable
as $$
    with recursive part (inner_value, depth) as (
        select value, 1
        union all
        select child.value, part.depth + 1
        from part cross join lateral (
            select fields.value from jsonb_each(case jsonb_typeof(part.inner_value) when 'object' then part.inner_value else '{}' end) as fields
            union all
            select items.value from jsonb_array_elements(case jsonb_typeof(part.inner_value) when 'array' then part.inner_value else '[]' end) as items
        ) as child
        where part.depth <= most and jsonb_typeof(child.value) in ('object', 'array')
    )
    select max(depth) from part
$$;

-- What filters look at, read from a body as the program reads it: a field of another type than expected counts as absent. Of an exit,
-- rank and score are the best that its episode reached.
create function signal_facets(body json,
    out signal_type text, out best_rank bigint, out best_score double precision, out token text, out market text)
language plpgsql immutable
as $$
declare
    before json := body -> 'best_before';
    reached json;
    parts json;
begin
    signal_type := signal_text(body -> 'signal_type');
    market := signal_text(body -> 'market');
    token := signal_text(signal_part(body -> 'token', 'address', 0, 1, 1));
    if signal_type is distinct from 'consensus_exit' then
        best_rank := signal_rank(signal_text(body -> 'rank'));
        best_score := signal_number(body -> 'rank_score');
        return;
    end if;
    -- all of it is as expected, or nothing counts
    if not signal_reached(before) then
        return;
    end if;
    parts := signal_part(before, 'others', 2, 2, 3);
    for reached in
        select before union all select item.value from json_array_elements(coalesce(parts, '[]')) as item
    loop
        if signal_rank(signal_text(signal_part(reached, 'rank', 0, 2, 3))) is not null then
            best_rank := greatest(best_rank, signal_rank(signal_text(signal_part(reached, 'rank', 0, 2, 3))));
            best_score := greatest(best_score, signal_number(signal_part(reached, 'rank_score', 1, 2, 3)));
        end if;
    end loop;
end
$$;

-- Whether a value says what an episode reached: a rank, a score, and a list of others that say so too.
create function signal_reached(value json) returns boolean
language plpgsql immutable
as $$
declare
    others json := signal_part(value, 'others', 2, 2, 3);
begin
    return signal_text(signal_part(value, 'rank', 0, 2, 3)) is not null
        and signal_number(signal_part(value, 'rank_score', 1, 2, 3)) is not null
        and (others is null or json_typeof(others) = 'array'
            and not exists (select 1 from json_array_elements(others) as item where signal_reached(item.value) is not true));
end
$$;

-- A part of a value by its name, or by its place where the value is a list of `fewest` to `most` parts.
create function signal_part(value json, name text, place integer, fewest integer, most integer) returns json
language sql immutable
as $$
    select case json_typeof(value)
        when 'object' then value -> name
        when 'array' then case when json_array_length(value) between fewest and most then value -> place end
    end
$$;

create function signal_text(value json) returns text
language sql immutable
as $$
    select case json_typeof(value) when 'string' then value #>> '{}' end
$$;

create function signal_number(value json) returns double precision
language sql immutable
as $$
    select case json_typeof(value) when 'number' then (value #>> '{}')::double precision end
$$;

create function signal_rank(word text) returns bigint
language sql immutable
as $$
    select array_position(array['D', 'C', 'B', 'A', 'S'], word)::bigint - 1
$$;
