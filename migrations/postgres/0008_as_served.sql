-- What was served at a moment, to the last member; and lists of names in the order in which people read them.

-- In data_version, declarations_at and prices_at say from here on when data was taken in, not of which days it is.

-- When its latest declaration was published; null where it has none. When something of it changed is asked by nobody.
drop index companies_by_change;
alter table companies drop column changed_at;
alter table companies add column latest_at bigint;
update companies set latest_at = (select max(published_at) from declarations where company = companies.number);
create index companies_by_latest on companies (latest_at desc nulls last, number);

-- By name is by slug: without regard to case and marks.
drop index companies_by_name;
drop index companies_by_market;
create index companies_by_market on companies (market, slug);
drop index insiders_by_name;
drop index insiders_by_market;
create index insiders_by_market on insiders (market, slug);

-- What declarations said of their company, and from when on. What it was before this table is not known: the latest then stands for it.
create table company_briefs (
    company bigint not null references companies (number),
    since bigint not null,
    name text collate "C" not null,
    slug text collate "C" not null,
    symbol text collate "C",
    market_cap text,
    primary key (company, since)
);
insert into company_briefs (company, since, name, slug, symbol, market_cap)
    select number, 0, name, slug, symbol, market_cap from companies;

-- JSON up to the company, as it was served with the assessment.
alter table assessments add column head text not null default '';
update assessments set head = (select head from declarations where number = assessments.declaration);

-- Companies are found by ticker and ISIN, too; a ticker of several words when it is told again.
insert into name_words (word, kind, number)
    select lower(symbol), 0, number from companies where symbol is not null and symbol ~ '^[A-Za-z0-9]+$'
    on conflict do nothing;
insert into name_words (word, kind, number)
    select lower(isin), 0, number from companies where isin is not null
    on conflict do nothing;
