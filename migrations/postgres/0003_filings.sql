-- Insider filings: as filed, who and what they are about, and what the insider engine made of them.
-- Days are days since 1970-01-01; amounts that are only sorted and filtered by are millionths of the currency; exact decimals are text.

create table markets (
    code text collate "C" primary key,
    regulator text collate "C" not null,
    name text collate "C" not null,
    currency text collate "C" not null,
    time_zone text collate "C" not null,
    prefix text collate "C" not null,           -- of its filings' ids; empty where there is none
    benchmarks text collate "C" not null        -- symbols, separated by commas: the first with closes counts
);

-- Bumped by whatever changes filings, companies or prices: totals and freshness are kept per version.
create table data_version (
    only_row integer primary key check (only_row = 1),
    version bigint not null,
    returns_version bigint not null, -- bumped with every change of matured_returns
    prices_version bigint not null, -- bumped with every change of closes
    declarations_at bigint,         -- latest publication
    prices_at bigint,               -- latest session
    companies_at bigint,            -- when one changed
    scores_at bigint                -- when one was computed
);

create table companies (
    number bigint primary key,     -- the stable number at the end of its slug
    -- what it is known by: us:0000320193. Where it is a name, it may be longer than an index in order takes
    key text collate "C" not null, exclude using hash (key with =),
    market text collate "C" not null references markets (code),
    name text collate "C" not null,
    named_at bigint not null,       -- publication of the filing that named it so: the latest counts, in whatever order they arrive
    slug text collate "C" not null unique,
    symbol text collate "C",
    isin text collate "C",
    description text,
    market_cap text collate "C",                -- the latest
    market_cap_micros bigint,
    declarations bigint not null,   -- how many it has
    insiders bigint not null,
    changed_at bigint not null
);
create index companies_by_name on companies (name);
create index companies_by_market on companies (market, name);
create index companies_by_cap on companies (market_cap_micros);
create index companies_by_change on companies (changed_at);
create index companies_by_symbol on companies (symbol);
create index companies_by_isin on companies (isin);

create table market_caps (
    company bigint not null references companies (number),
    day bigint not null,
    amount text collate "C" not null,
    primary key (company, day)
);

create table insiders (
    number bigint primary key,
    -- the regulator's number of a person, else its name within a company: see companies
    key text collate "C" not null, exclude using hash (key with =),
    market text collate "C" not null,
    name text collate "C" not null,
    named_at bigint not null,
    slug text collate "C" not null unique,
    declarations bigint not null,
    companies bigint not null
);
create index insiders_by_name on insiders (name);
create index insiders_by_market on insiders (market, name);

-- Where a word of a name begins, for search: read as a range of words.
create table name_words (
    word text collate "C" not null,             -- lower case, without marks
    kind bigint not null,           -- 0 company, 1 insider
    number bigint not null,
    primary key (word, kind, number)
);

-- Closes adjusted for splits and dividends.
create table closes (
    market text collate "C" not null,
    symbol text collate "C" not null,
    day bigint not null,
    close text collate "C" not null,
    primary key (market, symbol, day)
);

-- What a symbol's closes come to, for the pages of companies.
create table price_stats (
    market text collate "C" not null,
    symbol text collate "C" not null,
    last_day bigint not null,
    last_close text collate "C" not null,
    high_52w text collate "C" not null,
    low_52w text collate "C" not null,
    average_50d text collate "C" not null,
    average_200d text collate "C" not null,
    primary key (market, symbol)
);

-- As filed, in order of arrival. Never changed, but for the status: a regulator may revise or withdraw later what it published.
create table filings (
    number bigint primary key,
    id text collate "C" not null unique,
    market text collate "C" not null,
    form text collate "C" not null,
    status text collate "C" not null,           -- current, revised, cancelled: only ever further down this list
    company bigint not null references companies (number),
    published_at bigint not null,
    arrived_at bigint not null,
    body text not null
);
create index filings_by_company on filings (company, published_at);

-- One filing's rows of one code, as it is served now.
create table declarations (
    number bigint primary key,
    amf_id text collate "C" not null unique,
    filing bigint not null references filings (number),
    principal boolean not null,     -- answers to the bare accession
    company bigint not null references companies (number),
    insider bigint not null references insiders (number),
    market text collate "C" not null,
    published_at bigint not null,
    traded_on bigint,
    direction text collate "C",                 -- BUY, SELL; null: it is not scored
    amount_micros bigint,
    isin text collate "C",
    score bigint,                   -- tenths
    is_cluster boolean not null,
    suspect boolean not null default false, -- what is filed cannot be: left out of statistics
    tracks boolean not null,        -- its score asks for the mean of all returns
    revision bigint not null,
    assessed_at bigint not null,    -- arrival of the latest revision
    may_fire boolean not null,      -- its first score may become a signal: no history
    said text not null,             -- a digest of all that the latest assessment says, but for times: a new one that says the same is no revision
    record text not null,           -- what the engine needs of it to assess others
    head text not null,             -- JSON up to the company, which changes on its own
    rest text not null,             -- JSON between company and signal
    signal text not null            -- JSON of the signal
);
create index declarations_by_time on declarations (published_at, amf_id);
create index declarations_by_company on declarations (company, published_at);
create index declarations_by_insider on declarations (insider, published_at);
create index declarations_by_market on declarations (market, published_at);
create index declarations_by_direction on declarations (direction, published_at);
create index declarations_by_cluster on declarations (is_cluster, published_at);
create index declarations_by_score on declarations (score);
create index declarations_by_amount on declarations (amount_micros);
create index declarations_by_isin on declarations (isin, published_at);
create index declarations_by_track on declarations (tracks, direction, published_at);
-- Statistics are counted in this index alone.
create index declarations_by_kind on declarations (market, direction, suspect, score);
create index declarations_by_filing on declarations (filing);

-- Who deals in what, and as what: the function of the latest declaration counts.
create table insider_companies (
    insider bigint not null references insiders (number),
    company bigint not null references companies (number),
    function text collate "C",
    named_at bigint not null,
    primary key (insider, company)
);
create index insider_companies_by_company on insider_companies (company);

-- Everybody a declaration is about, the principal insider included.
create table declaration_people (
    insider bigint not null,
    published_at bigint not null,
    declaration bigint not null,
    primary key (insider, published_at, declaration)
);

-- Every assessment that was ever served: immutable. The latest revision of a version is what is served by it.
create table assessments (
    declaration bigint not null references declarations (number),
    version text collate "C" not null,
    revision bigint not null,
    assessed_at bigint not null,
    rest text not null,
    signal text not null,
    audit text,                     -- with all inputs; null without a score
    primary key (declaration, version, revision)
);

-- Companies whose declarations from a moment on are to be judged anew: a fact came, or a price. First the returns of all of them are
-- made, on which any company's scores may depend, then the scores: so none is scored again for each of the others.
create table stale_companies (
    company bigint primary key references companies (number),
    since bigint not null,
    returns_due boolean not null
);
create index stale_companies_by_stage on stale_companies (returns_due, company);

-- What became of the price after a declaration, as far as it is matured.
create table backtests (
    declaration bigint primary key references declarations (number),
    company bigint not null,
    direction text collate "C" not null,
    published_at bigint not null,
    score bigint,
    market text collate "C" not null,
    computed_at bigint not null,
    -- excess over the benchmark in millionths, by horizon; null where not matured or not known
    excess_30 bigint, excess_60 bigint, excess_90 bigint, excess_160 bigint, excess_180 bigint, excess_365 bigint, excess_730 bigint,
    body text not null              -- JSON as the API writes it
);
create index backtests_by_direction on backtests (direction, published_at);

-- The 90-day returns that track records are made of: what any company's scores may ask of all others.
create table matured_returns (
    company bigint not null references companies (number),
    amf_id text collate "C" not null,
    direction text collate "C" not null,
    people text not null,           -- JSON list of person keys
    known_at bigint not null,
    until bigint,                   -- from then on an amendment took its place
    excess text collate "C" not null,
    primary key (company, amf_id)
);

insert into data_version (only_row, version, returns_version, prices_version) values (1, 0, 0, 0);
