-- For who restores a database while no node runs (0016_log_names): webhooks go on in the log by its new name, where the restored one has them.

create or replace function rename_log() returns text language plpgsql as $$
declare
    before text;
    name text;
    head bigint;
begin
    select epoch into before from log_head where only_row = 1 for update;
    update log_head set epoch = substr(md5(random()::text || clock_timestamp()::text), 1, 8) where only_row = 1
        returning epoch, seq into name, head;
    update hooks set sent_to = case when epoch = before and sent_to < head then sent_to else head end, epoch = name, node = null,
        fence = fence + 1;
    delete from hook_messages m where m.seq > head or exists (select from signals s where s.seq = m.seq and s.id <> m.signal_id);
    update hook_ranges set until = head where until > head;
    update duties set node = null, fence = nextval('fences');
    update nodes set era = nextval('fences');
    perform pg_notify('sigcast', '');
    return name;
end $$;
