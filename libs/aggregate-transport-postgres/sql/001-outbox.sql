-- Events that transactions of the service have added and the relay has not published yet.
create table if not exists :"schema".:"outbox" (
  -- The order of an aggregate's events. Drawn while the adding transaction holds the aggregate's advisory lock.
  id bigserial primary key,
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
  check (num_nonnulls(event, body) = 1)
) with (
  -- Room to mark a row in its own page, and vacuum long before a queue has turned over once.
  fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000
);

create index if not exists :"outbox_unpublished" on :"schema".:"outbox" (topic, id) where published_at is null;
