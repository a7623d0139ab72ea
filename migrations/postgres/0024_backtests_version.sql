-- Which companies' backtests changed: what is kept of all of them in memory is read again for those alone.
alter table data_version add column backtests_version bigint not null default 0;

-- `data_version.backtests_version` when it last changed for this company; 0 where it did not since this column is here.
alter table companies add column backtests_version bigint not null default 0;
create index companies_by_backtests on companies (backtests_version) where backtests_version > 0;
