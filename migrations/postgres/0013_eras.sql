-- A node's row has an era: another whenever something is taken from the node, and whenever its row is made anew. By it a node sees that it
-- was held for gone even where its own clock says that it never fell silent: its machine was suspended, this database's clock was set
-- forward, or its row was deleted.
alter table nodes add column era bigint not null default nextval('fences');

-- As before; that it is so begins the node's next era, in the transaction that takes what it had.
create or replace function is_gone(asked text) returns boolean language plpgsql as $$
begin
    if exists (select from nodes where id = asked and beat_at >= clock_timestamp() - life) then
        return false;
    end if;
    perform from nodes where id = asked for no key update;
    if exists (select from nodes where id = asked and beat_at >= clock_timestamp() - life) then
        return false;
    end if;
    update nodes set era = nextval('fences') where id = asked;
    return true;
end $$;
