import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';
import { readJournal } from '../harness/journal.js';
import { readStream } from '../harness/read-stream.js';
import { type ProcessLine, SHOP_SCHEMA, TOPIC } from './processes/setup.js';
import type { World } from './world.js';

/** An order row: the n-th transaction of its aggregate, and its events in their order. */
export interface OrderRow {
  readonly aggregate: string;
  readonly n: number;
  readonly events: readonly string[];
}

/** An event in the stream. */
export interface StoredEvent {
  readonly aggregate: string;
  readonly event: string;
  readonly sequence: number;
}

/** The n-th commit of an aggregate's handlers. */
export interface EffectRow {
  readonly aggregate: string;
  readonly n: number;
  readonly event: string;
  readonly position: bigint;
  readonly token: number;
  /** A repeat has no effect, and shows that its owner was there. */
  readonly outcome: 'done' | 'repeat';
}

/** All that the oracle knows: both databases and the stream, read with plain clients. */
export interface History {
  readonly orders: readonly OrderRow[];
  readonly stored: readonly StoredEvent[];
  readonly effects: readonly EffectRow[];
  /** Rows of the outbox that wait, and aggregates of it that are stopped. */
  readonly waiting: number;
  readonly stopped: number;
  /** Aggregates of the group that are parked. */
  readonly parked: number;
  /** Processes that ended by themselves. */
  readonly deaths: readonly string[];
}

export async function readHistory(world: World): Promise<History> {
  const [shop, billing] = await Promise.all([world.database('shop'), world.database('billing')]);
  try {
    const { rows: orders } = await shop.query<OrderRow>(
      'select aggregate, n, events from orders order by aggregate, n',
    );
    const { rows: effects } = await billing.query<Omit<EffectRow, 'position' | 'token'> & Texts>(
      `select aggregate, n, event_id as event, position::text, token::text, outcome from effects
       order by aggregate, n`,
    );
    const count = async (what: string): Promise<number> => {
      const { rows } = await shop.query<{ count: number }>(
        `select count(*)::int as count from ${SHOP_SCHEMA}.${what}`,
      );
      return rows[0]!.count;
    };
    return {
      orders,
      effects: effects.map((row) => ({ ...row, position: BigInt(row.position), token: Number(row.token) })),
      stored: await readStored(world.nats.url),
      waiting: await count('outbox where published_at is null'),
      stopped: await count('outbox_stopped'),
      parked: await countParked(world.nats.url),
      deaths: world.members.flatMap(({ deaths }) => deaths),
    };
  } finally {
    await Promise.all([shop.end(), billing.end()]);
  }
}

interface Texts {
  readonly position: string;
  readonly token: string;
}

function readStored(url: string): Promise<StoredEvent[]> {
  return readStream(url, TOPIC, (message) => {
    const { aggregate_id: aggregate, event_id: event } = message.json<{
      aggregate_id: string;
      event_id: string;
    }>();
    return { aggregate, event, sequence: message.seq };
  });
}

/** Letters of parked aggregates of the group. */
async function countParked(url: string): Promise<number> {
  const nats = await connect({ servers: url });
  try {
    const manager = await nats.jetstreamManager();
    let letters = 0;
    for await (const { config, state } of manager.streams.list())
      if (config.name !== TOPIC && config.name.includes('parked')) letters += state.messages;
    return letters;
  } finally {
    await nats.close();
  }
}

/** What the processes wrote down. It is evidence of what happened, not of what is right. */
export interface Evidence {
  readonly deadlocks: number;
  readonly rolledBack: number;
  readonly undone: number;
  readonly repeats: number;
  readonly fenced: number;
  readonly takeovers: number;
  readonly connectionsRefused: number;
}

export function readEvidence(folder: string): Evidence {
  const lines = readdirSync(folder)
    .filter((file) => file.endsWith('.jsonl'))
    .flatMap((file) => readJournal<ProcessLine>(join(folder, file)));
  const count = (is: (line: ProcessLine) => boolean): number => lines.filter(is).length;
  const undone = (pattern: RegExp): number =>
    count((line) => line.what === 'undone' && pattern.test(line.why));
  const logged = (pattern: RegExp): number => count((line) => line.what === 'log' && pattern.test(line.text));
  return {
    deadlocks: undone(/^(TRANSACTION_RETRY|40001|40P01)$/),
    rolledBack: undone(/as planned/),
    undone: undone(/^(?!rolled back as planned)/),
    repeats: count(({ what }) => what === 'repeat'),
    fenced: count(({ what }) => what === 'fenced'),
    takeovers: logged(/: relays shard /),
    connectionsRefused: undone(/53300|timeout exceeded when trying to connect|too many clients/),
  };
}
