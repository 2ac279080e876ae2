-- What the relays of a topic write down for each other: one row per shard.
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
