import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { connect, createInbox, type NatsConnection } from 'nats';
import { diesWithParent } from '#library/testing/dies-with-parent.js';
import {
  AggregateContext,
  type AggregateEvent,
  AggregateHandler,
  AggregatePublisher,
  type StoredEvent,
  subjectOf,
  tokenOf,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();

async function all(publisher: AggregatePublisher, id: string, fromSequence = 1): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of publisher.read(id, { fromSequence })) events.push(event);
  return events;
}

test('an aggregate is read back from its own subject, whole, in order, and nothing of another', async () => {
  const app = await startApp({
    options: { servers: server().url, topics: { history: {} } },
    publishers: ['history'],
  });
  const publisher = publisherOf(app, 'history');
  expect(await all(publisher, 'größe')).toEqual([]);
  const timestamp = new Date('2026-11-24T10:00:00.000Z');
  const first: AggregateEvent = {
    ...{
      aggregateId: 'größe',
      type: 'Grown',
      payload: { by: 1 },
      eventId: 'e-1',
      version: 2,
      aggregateVersion: 1,
    },
    ...{ timestamp, traceId: 't', correlationId: 'c', tenantId: 4, headers: { 'x-request-id': 'a: b' } },
  };
  await publisher.publish(first);
  await publisher.publish({ aggregateId: 'other', type: 'Grown', payload: {} });
  const second = await publisher.publish({ aggregateId: 'größe', type: 'Shrunk', payload: null });
  const [one, two, ...rest] = await all(publisher, 'größe');
  expect(rest).toEqual([]);
  expect(one).toEqual({
    ...{ ...first, topic: 'history', sequence: 1 },
    headers: { 'Nats-Msg-Id': `${tokenOf('größe')}:e-1`, 'x-request-id': 'a: b' },
  });
  expect(two).toMatchObject({ type: 'Shrunk', payload: null, sequence: 3 });
  expect(await all(publisher, 'größe', second.sequence)).toEqual([two]);
  expect([await publisher.lastSequence('größe'), await publisher.lastSequence('nobody')]).toEqual([3, 0]);

  // An optimistic writer: reads, decides, and is refused if somebody was faster.
  const event = { aggregateId: 'größe', type: 'Grown', payload: {}, expectedSequence: two!.sequence };
  await publisher.publish(event);
  await expect(publisher.publish(event)).rejects.toMatchObject({
    code: 'SEQUENCE_CONFLICT',
    actualSequence: 4,
  });

  // Reading may end early, and a reader of garbage is told where it is.
  for await (const stored of publisher.read('größe')) {
    expect(stored.sequence).toBe(1);
    break;
  }
  const nats = await connect({ servers: server().url });
  await nats.request(subjectOf('history', tokenOf('größe')), 'garbage');
  await nats.close();
  await expect(all(publisher, 'größe')).rejects.toMatchObject({ code: 'ENVELOPE_INVALID' });
  await expect(all(publisher, '')).rejects.toMatchObject({ code: 'AGGREGATE_ID_INVALID' });
  await app.close();
  await expect(all(publisher, 'größe')).rejects.toMatchObject({ code: 'PUBLISHER_CLOSED' });
});

/** `HISTORY_EVENTS=1000000 npm run jest -- test/integration/history` is the long form. */
const EVENTS = Number(process.env['HISTORY_EVENTS'] ?? 200_000);
const AGGREGATES = 2_000;

/** Fills a topic as a plain client does, without order, because that is fastest. */
function fill(nats: NatsConnection, topic: string): Promise<void> {
  return new Promise((resolve) => {
    const inbox = createInbox();
    let sent = 0;
    let stored = 0;
    const send = (): void => {
      while (sent < EVENTS && sent - stored < 2_048) {
        const n = sent++;
        const id = n === 0 || n === EVENTS - 1 ? 'rare' : `aggregate-${n % AGGREGATES}`;
        const body = JSON.stringify({
          event_id: `${n}`,
          aggregate_id: id,
          event_type: 'Counted',
          payload: { n },
        });
        nats.publish(subjectOf(topic, tokenOf(id)), body, { reply: inbox });
      }
    };
    nats.subscribe(inbox, {
      callback: () => {
        if (++stored === EVENTS) resolve();
        else if (sent - stored < 1_024) send();
      },
    });
    send();
  });
}

test(`a history is read out of ${EVENTS} events without a scan of the stream`, async () => {
  const app = await startApp({
    options: { servers: server().url, topics: { big: {} } },
    publishers: ['big'],
  });
  const publisher = publisherOf(app, 'big');
  const nats = await connect({ servers: server().url });
  await fill(nats, 'big');
  await nats.close();
  const timed = async <T>(work: () => Promise<T>): Promise<[T, number]> => {
    const startedAt = performance.now();
    return [await work(), performance.now() - startedAt];
  };
  const [rare, rareMs] = await timed(() => all(publisher, 'rare'));
  const [usual, usualMs] = await timed(() => all(publisher, 'aggregate-77'));
  const [last, lastMs] = await timed(() => publisher.lastSequence('rare'));
  await app.close();
  expect(rare.map(({ sequence }) => sequence)).toEqual([1, EVENTS]);
  expect(usual).toHaveLength(EVENTS / AGGREGATES);
  expect(last).toBe(EVENTS);
  // What a plain client left out: the schema version is 1, the time is when it was stored.
  expect([rare[0]!.version, Date.now() - rare[0]!.timestamp.getTime() < 60_000]).toEqual([1, true]);
  // Timings report, they do not gate: reading all 200 000 events takes seconds.
  console.log(
    `of ${EVENTS} events: 2 far apart in ${rareMs.toFixed(1)} ms, ${usual.length} in ${usualMs.toFixed(1)} ms, ` +
      `the last sequence in ${lastMs.toFixed(1)} ms`,
  );
}, 120_000);

test('the plain client of the docs publishes what a handler handles in order, and dedups', async () => {
  const handled: unknown[] = [];

  @Controller()
  class Handler {
    @AggregateHandler('plain')
    handle(@Payload() payload: number, @Ctx() ctx: AggregateContext) {
      handled.push([ctx.aggregateId, ctx.type, ctx.version, payload]);
    }
  }

  const app = await startApp({
    options: { servers: server().url, group: 'plain', topics: { plain: { consume: { partitions: 8 } } } },
    controllers: [Handler],
    publishers: ['plain'],
  });
  const client = spawn(process.execPath, ['docs/examples/plain-publisher.js', server().url, 'plain'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  diesWithParent(client);
  let output = '';
  client.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  for (const payload of [1, 2, 3]) {
    for (const aggregateId of ['order-7', 'größe 注文'])
      client.stdin.write(`${JSON.stringify({ aggregateId, type: 'T', payload, eventId: `e-${payload}` })}\n`);
  }
  client.stdin.end(`${JSON.stringify({ aggregateId: 'order-7', type: 'T', payload: 1, eventId: 'e-1' })}\n`);
  const [code] = (await once(client, 'exit')) as [number];
  await eventually('all handled', () => handled.length >= 6);
  const own = await all(publisherOf(app, 'plain'), 'order-7');
  await app.close();
  expect(code).toBe(0);
  expect(output.trim().split('\n').at(-1)).toBe('{"sequence":1,"duplicate":true}');
  for (const id of ['order-7', 'größe 注文']) {
    const ofOne = handled.filter((entry) => (entry as unknown[])[0] === id);
    expect(ofOne).toEqual([1, 2, 3].map((payload) => [id, 'T', 1, payload]));
  }
  expect(own.map(({ eventId }) => eventId)).toEqual(['e-1', 'e-2', 'e-3']);
});
