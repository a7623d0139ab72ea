-- Who is signed in to the pages: by a cookie that says nothing, of which only the digest is here.
create table sessions (
    hash text collate "C" primary key,        -- SHA-256 of the cookie's value, hex
    holder text collate "C" not null,         -- SHA-256, hex, of the key or of the admin token that opened it: while that counts, this does
    created_at bigint not null,
    expires_at bigint not null
);
create index sessions_by_end on sessions (expires_at);

-- The session, SHA-256 hex, whose page a ticket opens a view for: a stream that takes no key's seat, and ends with its session. Null: the key's own.
alter table stream_tickets add column session text collate "C";
