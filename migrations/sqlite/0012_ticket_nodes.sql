-- Which node has the stream that a ticket opened, where nodes share the database. Here there is one, and it is null.
alter table stream_tickets add column node text;
