-- The first row of the log that is still there, in a row of its own: who prunes the log holds this row, and never the head's, which
-- whoever publishes waits for.
create table log_tail (
    only_row integer primary key check (only_row = 1),
    oldest bigint not null
);
insert into log_tail (only_row, oldest) select 1, oldest from log_head;
alter table log_head drop column oldest;
