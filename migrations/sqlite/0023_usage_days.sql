-- Requests of each key by the day, for its owner to see. What stands here is reserved, as in `usage_counters`, and corrected with it.
create table usage_days (
    key_id text not null references api_keys (id),
    day bigint not null,            -- days since 1970-01-01, UTC
    requests bigint not null,
    primary key (key_id, day)
) without rowid;
create index usage_days_by_day on usage_days (day);

insert into usage_days select key_id, day, today from usage_counters where today > 0;
