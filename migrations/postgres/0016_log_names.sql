-- Names the log anew. For whoever puts the database back to an earlier state while no server runs: none can notice then, and a client could
-- take a signal that is published later for one that it has. Servers notice by themselves what happens while they run.
create function rename_log() returns text language plpgsql as $$
declare
    name text;
begin
    update log_head set epoch = substr(md5(random()::text || clock_timestamp()::text), 1, 8) where only_row = 1 returning epoch into name;
    update duties set node = null, fence = nextval('fences');
    update nodes set era = nextval('fences');
    perform pg_notify('sigcast', '');
    return name;
end $$;
revoke execute on function rename_log() from public;
