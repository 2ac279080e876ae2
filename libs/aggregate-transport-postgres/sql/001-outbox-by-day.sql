-- The outbox divided by day, for services that keep published rows: a day is dropped at once instead of row by row.
-- In place of 001-outbox.sql.
create table if not exists :"schema".:"outbox" (
  -- The order of an aggregate's events. Drawn while the adding transaction holds the aggregate's advisory lock.
  id bigserial not null,
  topic text collate "C" not null,
  -- The aggregate's subject token: its id, or ~ and base64url of an id with other characters.
  aggregate text collate "C" not null,
  -- 0 to 255: the place of the aggregate's hash among the shards of relays.
  slot smallint not null,
  event_id text collate "C" not null,
  -- The envelope: event_id, event_type, event_version, timestamp, trace_id, payload and so on. Kept as it was written.
  event json,
  -- The envelope in the bytes of the topic's own codec, where it has one.
  body bytea,
  headers json,
  created_at timestamptz not null default now(),
  -- Null until the stream has confirmed the event. A relay that keeps no published rows deletes them instead.
  published_at timestamptz,
  primary key (id, created_at),
  check (num_nonnulls(event, body) = 1)
) partition by range (created_at);

create index if not exists :"outbox_unpublished" on :"schema".:"outbox" (topic, id) where published_at is null;

-- Takes in what no day was made for, so that a missing day refuses no event.
create table if not exists :"schema".:"outbox_rest" partition of :"schema".:"outbox" default with (fillfactor = 80);
