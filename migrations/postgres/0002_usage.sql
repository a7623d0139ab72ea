-- Requests of each key, for all nodes. What stands here is reserved: nodes take blocks ahead, so that a crash never lets
-- more pass than a plan allows, and give back what they did not use.

create table usage_counters (
    key_id text collate "C" primary key references api_keys (id),
    day bigint not null,            -- days since 1970-01-01, UTC; never goes back
    today bigint not null,          -- reserved on that day
    this_month bigint not null,     -- reserved in that day's month
    total bigint not null
);
