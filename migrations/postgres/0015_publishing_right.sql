-- As before; a number that is too small is refused with its signal and field named.
create or replace function publish_signals(signals text[])
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
        -- as above, only where a number may be that small
        if body ~ '[eE]-0*[0-9]{3}|[.]0{250}' then
            begin
                perform signal_facets(body::json);
            exception when numeric_value_out_of_range then
                raise exception 'signal %: rank_score: the number is too small for a double', at using errcode = '22023';
            end;
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

-- Who may publish by SQL needs the right to call the function, and none on the tables: what goes into the log goes through its checks.
-- The function acts by its owner's rights, and finds tables and functions where they are made now, whatever its caller's settings are.
do $$ begin
    execute format('alter function publish_signals(text[]) security definer set search_path = %I, pg_temp', current_schema());
end $$;
revoke execute on function publish_signals(text[]) from public;
