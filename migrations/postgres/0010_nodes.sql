-- Several nodes on one database: who lives, which of them has a key's one stream, and which has a duty that only one may have.
-- All of it is decided by this database's clock (clock_timestamp(), as now() stands still within a transaction).

-- A process that lives writes here once a second. A new process is a new node, even on the same machine.
create table nodes (
    id text collate "C" primary key,
    started_at timestamptz not null default clock_timestamp(),
    beat_at timestamptz not null,
    life interval not null      -- it lives for so long after each heartbeat; its own word, as it is silent in time by its own settings
);

-- Numbers every taking of a lease or duty: a later one is greater.
create sequence fences;

-- Which node has a key's stream. A row stays when its lease is let go: what is counted in it goes on counting.
create table leases (
    key_id text collate "C" primary key,
    node text collate "C" references nodes on delete set null, -- null: free
    fence bigint not null,
    connected_at bigint not null,
    peer text not null,
    takeovers timestamptz[] not null    -- when living holders were superseded, of the last minute
);
create index leases_of_node on leases (node) where node is not null;

-- Questions to the node that has a lease, and its answers.
create table lease_asks (
    id bigint generated always as identity primary key,
    key_id text collate "C" not null,
    fence bigint not null,              -- of the lease that is asked for
    node text collate "C" not null,     -- who is asked
    takeover boolean not null,
    asked_at timestamptz not null default clock_timestamp(),
    answer text                         -- free, living, flapping; null: none yet
);
create index lease_asks_open on lease_asks (node) where answer is null;
create index lease_asks_by_time on lease_asks (asked_at);

-- What one process does at a time, and which.
create table duties (
    name text collate "C" primary key,
    node text collate "C" references nodes on delete set null,
    fence bigint not null
);

-- Whether a node has let a life pass since its last heartbeat. Its row is locked where it has: a heartbeat that comes just now is
-- either seen here, or finds what was taken by right of this answer.
create function is_gone(asked text) returns boolean language plpgsql as $$
begin
    if exists (select from nodes where id = asked and beat_at >= clock_timestamp() - life) then
        return false;
    end if;
    perform from nodes where id = asked for no key update;
    return not exists (select from nodes where id = asked and beat_at >= clock_timestamp() - life);
end $$;

-- Takes a key's lease for a node where it is free, the node's own, or of a node that is gone. `takeovers_ms`: how long ago living holders
-- were superseded; counts where the lease is the node's own already.
create function apply_for_lease(
    asked_key text, applicant text, since bigint, address text, takeovers_ms bigint[],
    out granted boolean, out fence bigint, out connected_at bigint, out peer text, out takeover_ages_ms bigint[]
) language plpgsql as $$
declare
    held leases%rowtype;
    moment timestamptz;
begin
    insert into leases values (asked_key, null, 0, 0, '', '{}') on conflict do nothing;
    select * into strict held from leases where key_id = asked_key for update;
    granted := held.node is null or held.node = applicant or is_gone(held.node);
    if not granted then
        fence := held.fence;
        connected_at := held.connected_at;
        peer := held.peer;
        return;
    end if;
    moment := clock_timestamp();
    if held.node = applicant then
        held.takeovers := array(select moment - age * interval '1 millisecond' from unnest(takeovers_ms) as age);
    end if;
    fence := nextval('fences');
    update leases set node = applicant, fence = apply_for_lease.fence, connected_at = since, peer = address,
        takeovers = held.takeovers where key_id = asked_key;
    takeover_ages_ms := array(
        select cast(extract(epoch from moment - taken_at) * 1000 as bigint) from unnest(held.takeovers) as taken_at
        where taken_at > moment - interval '1 minute'
    );
end $$;

-- Answers a question. Where the answer is that the lease is free, it is, unless it was granted anew meanwhile.
create function answer_lease_ask(asked bigint, said text, takeovers_ms bigint[]) returns void language plpgsql as $$
declare
    ask lease_asks%rowtype;
begin
    update lease_asks set answer = said where id = asked returning * into ask;
    if said = 'free' then
        update leases set node = null,
            takeovers = array(select clock_timestamp() - age * interval '1 millisecond' from unnest(takeovers_ms) as age)
            -- the stream's end may have let it go already: what is counted is noted all the same
            where key_id = ask.key_id and fence = ask.fence and (node = ask.node or node is null);
    end if;
    perform pg_notify('sigcast_leases', '');
end $$;

-- Takes a duty for a node, as a lease is taken: its fence, or null where another node that lives has it. Taken again by the same node
-- it keeps its fence.
create function take_duty(asked text, applicant text) returns bigint language plpgsql as $$
declare
    held duties%rowtype;
begin
    insert into duties values (asked, null, 0) on conflict do nothing;
    select * into strict held from duties where name = asked for update;
    if held.node = applicant then
        return held.fence;
    end if;
    if held.node is null or is_gone(held.node) then
        update duties set node = applicant, fence = nextval('fences') where name = asked returning fence into held.fence;
        return held.fence;
    end if;
    return null;
end $$;
