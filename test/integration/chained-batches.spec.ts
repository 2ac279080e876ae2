import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { connect, nanos } from 'nats';
import {
  type AggregatePublisher,
  AggregateTransportError,
  type CheckedEvent,
  type PublishReceipt,
} from 'nestjs-aggregate-transport';
import { silentLog } from '#library/log.js';
import { encodeHeaders, messageIdOf } from '#library/message/headers.js';
import type { OutgoingEvent } from '#library/message/outgoing/outgoing-event.js';
import { subjectOf } from '#library/message/subject.js';
import type { PublishListener } from '#library/publisher/publish-port.js';
import type { ServerAnswer } from '#library/publisher/server-answer.js';
import { JetStreamApi } from '#library/stream/api/jetstream-api.js';
import { Connection } from '#library/stream/connection/connection.js';
import { hasAtomicBatches } from '#library/stream/wires/atomic-batches.js';
import { PublishWire } from '#library/stream/wires/publish-wire.js';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const TOPIC = 'chained';
/** Of the edited stream, and a time after which it has forgotten an id. */
const WINDOW_MS = 500;
const AFTER_WINDOW_MS = 1_500;
const never = new AbortController().signal;

/** A publisher that stops after any step. */
class Steps implements PublishListener {
  readonly answers = new Map<number, ServerAnswer>();
  readonly opens = new Set<number>();
  readonly reconnected = (): void => undefined;
  readonly ended = this.reconnected;
  readonly denied = this.reconnected;

  opened(batch: number): void {
    this.opens.add(batch);
  }

  answered(id: number, answer: ServerAnswer): void {
    this.answers.set(id, answer);
  }
}

describe.each([['2.10'], [undefined]])('nats-server %s', (version) => {
  const server = serverForAll(version === undefined ? {} : { version });
  let app: INestApplication;
  let publisher: AggregatePublisher;
  let canBatch = false;
  let serial = 0;

  beforeAll(async () => {
    canBatch = hasAtomicBatches(server().version);
    app = await startApp({
      options: { servers: server().url, topics: { [TOPIC]: {} } },
      publishers: [TOPIC],
    });
    publisher = publisherOf(app, TOPIC);
    await publisher.flush();
    const nats = await connect({ servers: server().url });
    const { streams } = await nats.jetstreamManager();
    await streams.update(TOPIC, { duplicate_window: nanos(WINDOW_MS) });
    await nats.close();
  });
  afterAll(() => app.close());

  const fresh = (): string => `a-${++serial}`;

  function rows(aggregateId: string, from: number, to: number): Promise<CheckedEvent[]> {
    return Promise.all(
      Array.from({ length: to - from + 1 }, (_, index) => {
        const n = from + index;
        return publisher.check({ aggregateId, type: 'T', payload: n, eventId: `row-${n}` });
      }),
    );
  }

  async function stored(aggregateId: string): Promise<unknown[]> {
    const found: unknown[] = [];
    for await (const { payload } of publisher.read(aggregateId)) found.push(payload);
    return found;
  }

  const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index + 1);

  /** How many of the stored events came in a batch. */
  async function batched(aggregateId: string): Promise<number> {
    let count = 0;
    for await (const { headers } of publisher.read(aggregateId)) if ('Nats-Batch-Id' in headers) count++;
    return count;
  }

  test('stores a long chain in order and once, in batches if it can, each event with its own receipt', async () => {
    const id = fresh();
    const outcomes = await publisher.chained.publish(await rows(id, 1, 700), 0, never);
    const sequences = outcomes.map((outcome) => ('sequence' in outcome ? outcome.sequence : outcome.code));
    const found: number[] = [];
    for await (const { sequence } of publisher.read(id)) found.push(sequence);
    expect(sequences).toEqual(found);
    expect(await stored(id)).toEqual(upTo(700));
    const more = await publisher.chained.publish(await rows(id, 701, 900), found.at(-1)!, never);
    expect(more.every((outcome) => 'duplicate' in outcome && !outcome.duplicate)).toBe(true);
    expect(await batched(id)).toBe(canBatch ? 898 : 0);
  });

  test('stores nothing of a chain whose expectation is wrong', async () => {
    const id = fresh();
    await publisher.publish({ aggregateId: id, type: 'T', payload: 'foreign' });
    const outcomes = await publisher.chained.publish(await rows(id, 1, 300), 0, never);
    expect((outcomes[0] as AggregateTransportError).code).toBe('SEQUENCE_CONFLICT');
    expect(new Set(outcomes.slice(1).map((outcome) => (outcome as AggregateTransportError).code))).toEqual(
      new Set(['PREDECESSOR_REJECTED']),
    );
    expect(await stored(id)).toEqual(['foreign']);
  });

  test('recognises what is stored already, also beyond the duplicate window', async () => {
    const id = fresh();
    const first = await publisher.chained.publish(await rows(id, 1, 200), 0, never);
    const again = await publisher.chained.publish(await rows(id, 1, 400), 0, never);
    expect(again.slice(0, 200)).toEqual(
      (first as PublishReceipt[]).map((receipt) => ({ ...receipt, duplicate: true })),
    );
    await delay(AFTER_WINDOW_MS);
    const late = await publisher.chained.publish(await rows(id, 1, 400), 0, never);
    expect(late.map((outcome) => 'duplicate' in outcome && outcome.duplicate)).toEqual(
      Array<boolean>(400).fill(true),
    );
    expect(await stored(id)).toEqual(upTo(400));
  });

  test('ends a chain where a foreign event has come between, and stores nothing after it', async () => {
    const id = fresh();
    const foreign = (async () => {
      while ((await publisher.lastSequence(id)) === 0);
      // Not through the sequencer of this process: it would wait for the chain.
      const nats = await connect({ servers: server().url });
      const { seq } = await nats.jetstream().publish(subjectOf(TOPIC, id), '{"payload":"foreign"}');
      await nats.close();
      return seq;
    })();
    const outcomes = await publisher.chained.publish(await rows(id, 1, 3_000), 0, never);
    const between = await foreign;
    const conflict = outcomes.findIndex((outcome) => outcome instanceof AggregateTransportError);
    expect(outcomes[conflict]).toMatchObject({ code: 'SEQUENCE_CONFLICT' });
    const sequences = outcomes
      .slice(0, conflict)
      .map((outcome) => (outcome as { sequence: number }).sequence);
    expect(Math.max(...sequences)).toBeLessThan(between);
    expect(new Set(outcomes.slice(conflict + 1).map((one) => (one as AggregateTransportError).code))).toEqual(
      new Set(['PREDECESSOR_REJECTED']),
    );
  });

  /**
   * The race that the expectation of a batch prevents:
   *
   * 1. A relay opens a batch, and sends the rest of it. The bytes are held on the way.
   * 2. Its successor looks at the aggregate, and stores the same rows.
   * 3. The duplicate window passes.
   * 4. The held bytes arrive.
   */
  test('refuses the late batch of a frozen relay, whole, after the duplicate window', async () => {
    if (!canBatch) return;
    const id = fresh();
    const [before] = await publisher.chained.publish(await rows(id, 1, 1), 0, never);
    const after = (before as { sequence: number }).sequence;
    const all = await rows(id, 2, 6);
    const proxy = await TcpProxy.listen(server().port);
    const connection = await Connection.open({ servers: proxy.url }, 'frozen', silentLog);
    const steps = new Steps();
    const wire = new PublishWire(connection, new JetStreamApi(connection), TOPIC, steps);
    const [first, ...rest] = all.map((row, index) => outgoing(row, index === 0 ? after : undefined));
    try {
      wire.openBatch(1, first!);
      await eventually('the batch to be open', () => steps.opens.has(1));
      proxy.blackhole('c2s');
      wire.storeBatch(1, rest);
      const tail = await publisher.chained.tailOf(id, after, never);
      expect(tail).toEqual({ last: after, sequences: new Map() });
      await publisher.chained.publish(all, after, never);
      await delay(AFTER_WINDOW_MS);
      proxy.heal();
      await eventually('an answer to the late batch', () => steps.answers.has(1));
      expect(steps.answers.get(1)).toMatchObject({ kind: 'refused', wrongSequence: true });
      expect(await stored(id)).toEqual(upTo(6));
    } finally {
      wire.close();
      await connection.close();
      await proxy.close();
    }
  });

  test('accepts an expectation in the first event of a batch only: elsewhere it would prove nothing', async () => {
    if (!canBatch) return;
    const id = fresh();
    const [before] = await publisher.chained.publish(await rows(id, 1, 1), 0, never);
    const after = (before as { sequence: number }).sequence;
    const [one, two, three] = await rows(id, 2, 4);
    const connection = await Connection.open({ servers: server().url }, 'steps', silentLog);
    const steps = new Steps();
    const wire = new PublishWire(connection, new JetStreamApi(connection), TOPIC, steps);
    const send = async (
      batch: number,
      events: readonly OutgoingEvent[],
    ): Promise<ServerAnswer | undefined> => {
      wire.openBatch(batch, events[0]!);
      await eventually('the batch to be open', () => steps.opens.has(batch) || steps.answers.has(batch));
      wire.storeBatch(batch, events.slice(1));
      await eventually('an answer', () => steps.answers.has(batch));
      return steps.answers.get(batch);
    };
    try {
      const wrong = { kind: 'refused', wrongSequence: true };
      const later = [outgoing(one!, after), outgoing(two!, after + 1)];
      expect(await send(1, later)).toMatchObject(wrong);
      expect(await send(2, [outgoing(one!, 0), outgoing(two!)])).toMatchObject(wrong);
      expect(await stored(id)).toEqual([1]);
      const right = [outgoing(one!, after), outgoing(two!), outgoing(three!)];
      expect(await send(3, right)).toMatchObject({ kind: 'stored', duplicate: false });
      expect(await stored(id)).toEqual(upTo(4));
    } finally {
      wire.close();
      await connection.close();
    }
  });
});

function outgoing({ token, eventId, body, headers }: CheckedEvent, after?: number): OutgoingEvent {
  const messageId = messageIdOf(token, eventId);
  return {
    ...{ token, messageId, body, subject: subjectOf(TOPIC, token) },
    headers: encodeHeaders(messageId, after, headers),
    expectedSequence: after,
  };
}
