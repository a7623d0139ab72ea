-- Applications for leases, many in one statement: where a node is gone, all of its clients come to another at once, and ask again and again
-- until its life is over. What was asked of a lease's holder, and what it answered, is part of the same.

drop function apply_for_lease;

-- For each of the applications, in their order: takes the key's lease for the node where it is free, the node's own, or of a node that is
-- gone. One that is held by a node that lives is asked for, unless it was already: `asked` by a question about `asked_fences`.
-- `takeovers_ms`, texts of numbers with commas between: how long ago living holders were superseded; they count where the lease is the
-- node's own already. Of the answers, only those by which the holder stays are told; with any other, the lease is free.
create function apply_for_leases(
    applicant text, keys text[], since bigint[], addresses text[], takeovers_ms text[], takes_over boolean[],
    asked bigint[], asked_fences bigint[]
) returns table (
    granted boolean, fence bigint, connected_at bigint, peer text, takeover_ages_ms bigint[], question bigint, answer text
) language plpgsql as $$
#variable_conflict use_column
declare
    held leases%rowtype;
    gone text[];
    moment timestamptz;
    told boolean := false;
begin
    -- always in the same order, so that of two who apply for the same, one waits for the other: first the leases, then the nodes
    insert into leases select key, null, 0, 0, '', '{}' from (select distinct unnest(keys) as key order by key) as new on conflict do nothing;
    perform from leases where key_id = any(keys) order by key_id for update;
    gone := array(
        select id from (
            select distinct node as id from leases where key_id = any(keys) and node <> applicant order by node
        ) as holders where is_gone(id)
    );
    for n in 1 .. cardinality(keys) loop
        select * into strict held from leases where key_id = keys[n];
        connected_at := held.connected_at;
        peer := held.peer;
        fence := held.fence;
        takeover_ages_ms := null;
        granted := false;
        question := asked[n];
        answer := null;
        if question is not null then
            select lease_asks.answer into answer from lease_asks where id = question;
        end if;
        if answer in ('living', 'flapping') then
            return next;
            continue;
        end if;
        if held.node is null or held.node = applicant or held.node = any(gone) then
            granted := true;
            question := null;
            moment := clock_timestamp();
            if held.node = applicant then
                held.takeovers := array(
                    select moment - cast(age as bigint) * interval '1 millisecond'
                    from unnest(string_to_array(takeovers_ms[n], ',')) as age
                );
            end if;
            fence := nextval('fences');
            update leases set node = applicant, fence = held_anew.fence, connected_at = since[n], peer = addresses[n],
                takeovers = held.takeovers
                from (select currval('fences') as fence) as held_anew where key_id = keys[n];
            takeover_ages_ms := array(
                select cast(extract(epoch from moment - taken_at) * 1000 as bigint) from unnest(held.takeovers) as taken_at
                where taken_at > moment - interval '1 minute'
            );
        elsif question is null or answer is not null or asked_fences[n] is distinct from held.fence then
            insert into lease_asks (key_id, fence, node, takeover) values (keys[n], held.fence, held.node, takes_over[n])
                returning id into question;
            told := true;
        end if;
        return next;
    end loop;
    if told then
        delete from lease_asks where asked_at < clock_timestamp() - interval '1 minute';
        perform pg_notify('sigcast_leases', '');
    end if;
end $$;
