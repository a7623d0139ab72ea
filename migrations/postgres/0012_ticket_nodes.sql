-- Which node has the stream that a ticket opened, where nodes share the database: what a node that is gone had open is closed, and
-- what others have is not.
alter table stream_tickets add column node text collate "C";
