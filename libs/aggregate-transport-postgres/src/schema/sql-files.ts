// Made by embed-sql.js from the files in sql/: change those, and run it.
export const SQL_FILES = {
  '000-schema.sql': `-- The schema that holds the tables. Not run where it exists, so that a role without CREATE on the database can migrate.
create schema if not exists :"schema";
`,
  '001-outbox-by-day.sql': `-- The outbox divided by day, for services that keep published rows: a day is dropped at once instead of row by row.
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
`,
  '001-outbox.sql': `-- Events that transactions of the service have added and the relay has not published yet.
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
`,
  '001-tables.sql': `-- What the relays of a topic write down for each other: one row per shard.
create table if not exists :"schema".:"outbox_relay" (
  topic text collate "C" not null,
  -- Number of shards + index of this one: 1 is the only shard of one, 2 and 3 are those of two, 4 to 7 those of four.
  shard smallint not null,
  -- Grows by one with each take-over.
  epoch bigint not null default 0,
  -- The stream that checkpoint_sequence counts in. A stream that was made again begins at 1.
  stream_created text,
  -- Everything above it in the stream may be an event that was sent and is not marked yet.
  checkpoint_sequence bigint not null default 0,
  -- No row with a higher id was ever sent.
  sent_below bigint not null default 0,
  -- Who holds the shard, for people: host, process id, and the server's process id of the session.
  holder text,
  holder_pid integer,
  updated_at timestamptz not null default now(),
  primary key (topic, shard)
) with (fillfactor = 70);

-- Aggregates whose next event was refused. Their rows wait; others pass.
create table if not exists :"schema".:"outbox_stopped" (
  topic text collate "C" not null,
  aggregate text collate "C" not null,
  -- The refused event.
  id bigint not null,
  event_id text collate "C" not null,
  code text not null,
  reason text not null,
  stopped_at timestamptz not null default now(),
  -- When an operator asked to try again. The relay removes this row when the aggregate has caught up.
  retry_requested_at timestamptz,
  primary key (topic, aggregate)
);

-- How far a consumer group has applied an aggregate's events, and under which owner.
create table if not exists :"schema".:"inbox" (
  consumer_group text collate "C" not null,
  topic text collate "C" not null,
  aggregate text collate "C" not null,
  position bigint not null,
  fencing_token bigint not null,
  updated_at timestamptz not null default now(),
  primary key (consumer_group, topic, aggregate)
  -- No index on updated_at: without one an update stays within its page.
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

create table if not exists :"schema".:"schema_version" (
  version integer primary key,
  migrated_at timestamptz not null default now()
);

insert into :"schema".:"schema_version" (version) values (1) on conflict do nothing;
`,
} as const;
