import { headers } from 'nats';
import { subjectOf } from 'nestjs-aggregate-transport';
import { type OutboxWorld, TEXT } from './outbox-world.js';

const PAGE = 100;
const PAUSE_MS = 10;

interface Row {
  readonly id: string;
  readonly subject: string;
  readonly event_id: string;
  readonly event: string;
}

/** The table that everyone begins with. */
export async function makeNaiveTable(world: OutboxWorld): Promise<void> {
  await world.pool.query(
    `create table if not exists bench.naive (id bigserial primary key, subject text not null,
      event_id text not null, event json not null, created_at timestamptz not null default now(),
      published_at timestamptz)`,
  );
  await world.pool.query(
    'create index if not exists naive_unpublished on bench.naive (id) where published_at is null',
  );
}

/** Rows that wait, as {@link OutboxWorld.fill} makes them for ours. */
export async function fillNaively(
  world: OutboxWorld,
  topic: string,
  rows: number,
  aggregates: number,
): Promise<void> {
  const subjects = Array.from({ length: aggregates }, (_, n) => subjectOf(topic, `a${n}`));
  await world.pool.query('truncate bench.naive');
  await world.pool.query(
    `insert into bench.naive (subject, event_id, event)
    select ($3::text[])[1 + n % $4::int], 'row-' || n, json_build_object('event_id', 'row-' || n, 'aggregate_id',
      'a' || n % $4::int, 'event_type', 'Counted', 'event_version', 1, 'timestamp', '2026-01-01T00:00:00.000Z',
      'payload', json_build_object('n', n, 'text', $1::text))
    from generate_series(1, $2::int) as n order by n`,
    [TEXT, rows, subjects, aggregates],
  );
  await world.pool.query('vacuum analyze bench.naive');
}

/** Reads a page, publishes one event after the other, and marks each. Until `rows` are marked. */
export async function relayNaively(world: OutboxWorld, rows: number): Promise<void> {
  const jetstream = world.streams.nats.jetstream();
  const client = await world.pool.connect();
  try {
    for (let marked = 0; marked < rows;) {
      const page = await client.query<Row>(
        `select id, subject, event_id, event::text from bench.naive where published_at is null order by id limit ${PAGE}`,
      );
      for (const { id, subject, event_id, event } of page.rows) {
        const own = headers();
        own.set('Nats-Msg-Id', event_id);
        await jetstream.publish(subject, event, { headers: own });
        await client.query('update bench.naive set published_at = now() where id = $1', [id]);
        marked++;
      }
      if (page.rows.length === 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  } finally {
    client.release();
  }
}
