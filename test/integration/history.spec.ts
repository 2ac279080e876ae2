import { afterEach, expect, test } from '@jest/globals';
import { connect, createInbox, type NatsConnection } from 'nats';
import {
  type AggregateEvent,
  type AggregatePublisher,
  type StoredEvent,
  subjectOf,
  tokenOf,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

/** A publisher in an application of its own. */
async function publisherFor(topic: string): Promise<AggregatePublisher> {
  const app = await startApp({
    options: { servers: server().url, topics: { [topic]: {} } },
    publishers: [topic],
  });
  open.push(app);
  return publisherOf(app, topic);
}

async function connected(): Promise<NatsConnection> {
  const nats = await connect({ servers: server().url });
  open.push(nats);
  return nats;
}

async function all(publisher: AggregatePublisher, id: string, fromSequence = 1): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of publisher.read(id, { fromSequence })) events.push(event);
  return events;
}

test('an aggregate is read back from its own subject, whole, in order, and nothing of another', async () => {
  const publisher = await publisherFor('history');
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
  expect([await publisher.lastSequence('größe'), await publisher.lastSequence('unknown')]).toEqual([3, 0]);

  // An optimistic writer: reads, decides, and is refused if another writer was faster.
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
  const nats = await connected();
  await nats.request(subjectOf('history', tokenOf('größe')), 'garbage');
  await expect(all(publisher, 'größe')).rejects.toMatchObject({ code: 'ENVELOPE_INVALID' });
  await expect(all(publisher, '')).rejects.toMatchObject({ code: 'AGGREGATE_ID_INVALID' });
  for (const opened of open.splice(0).reverse()) await opened.close();
  await expect(all(publisher, 'größe')).rejects.toMatchObject({ code: 'PUBLISHER_CLOSED' });
});

/** Another program changes the stream of a topic. */
async function changed(nats: NatsConnection, topic: string, change: object): Promise<void> {
  const { streams } = await nats.jetstreamManager();
  const { config } = await streams.info(topic);
  await streams.update(topic, { ...config, ...change });
}

test('a long history is whole with and without batches, and without what was removed', async () => {
  const publisher = await publisherFor('long');
  const nats = await connected();
  const receipts = await publisher.publishAll(
    Array.from({ length: 1_500 }, (_, n) => ({ aggregateId: 'a', type: 'Counted', payload: { n } })),
  );
  const { streams } = await nats.jetstreamManager();
  for (const gone of [0, 40, 700, 701, 1_499]) await streams.deleteMessage('long', receipts[gone]!.sequence);
  const asked = await requestsAbout(nats, 'long');
  const inBatches = await all(publisher, 'a');
  const requests = await asked();
  expect(inBatches.map(({ payload }) => (payload as { n: number }).n)).toEqual(
    receipts.map((_, n) => n).filter((n) => ![0, 40, 700, 701, 1_499].includes(n)),
  );
  expect(requests.length).toBeLessThan(20);
  for await (const { sequence } of publisher.read('a')) if (sequence > 100) break;

  await changed(nats, 'long', { allow_direct: false });
  expect(await all(publisher, 'a')).toEqual(inBatches);
});

test('a mirror that answers for the stream, and still holds what was removed, adds nothing to a history', async () => {
  const publisher = await publisherFor('mirrored');
  const nats = await connected();
  const receipts = await publisher.publishAll(
    Array.from({ length: 60 }, (_, n) => ({ aggregateId: 'a', type: 'Counted', payload: n })),
  );
  const { streams } = await nats.jetstreamManager();
  await streams.add({
    name: 'mirror',
    mirror: { name: 'mirrored' },
    allow_direct: true,
    mirror_direct: true,
  });
  await eventually('the mirror holds all', async () => (await streams.info('mirror')).state.messages === 60);
  await streams.deleteMessage('mirrored', receipts[30]!.sequence);
  for (let round = 0; round < 20; round++) {
    const numbers = (await all(publisher, 'a')).map(({ payload }) => payload);
    expect(numbers).toEqual(receipts.map((_, n) => n).filter((n) => n !== 30));
  }
});

/** `HISTORY_EVENTS=1000000 npm run jest -- test/integration/history` is the long form, for its timings. */
const EVENTS = Number(process.env['HISTORY_EVENTS'] ?? 20_000);
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

/** Counts what all others of this account ask JetStream about a topic's stream, whichever way they ask. */
async function requestsAbout(
  nats: NatsConnection,
  topic: string,
): Promise<(least?: number) => Promise<string[]>> {
  let seen: string[] = [];
  nats.subscribe('$JS.API.>', {
    callback: (_error, { subject }) => {
      if (subject.split('.').includes(topic)) seen.push(subject);
    },
  });
  await nats.flush();
  return async (least = 0) => {
    await nats.flush();
    // The server may answer a request before it hands the copy of it to this connection.
    await eventually('all requests to be heard', () => seen.length >= least);
    const taken = seen;
    seen = [];
    return taken;
  };
}

test(`out of ${EVENTS} events a history costs three requests and the last sequence one: no scan of the stream`, async () => {
  const publisher = await publisherFor('big');
  const nats = await connected();
  await fill(nats, 'big');
  const asked = await requestsAbout(nats, 'big');
  const request = '$JS.API.STREAM.MSG.GET.big';
  const batch = '$JS.API.DIRECT.GET.big';
  const timed = async <T>(work: () => Promise<T>, least = 1): Promise<[T, number, string[]]> => {
    const startedAt = performance.now();
    const result = await work();
    return [result, performance.now() - startedAt, await asked(least)];
  };
  const [rare, rareMs, askedForRare] = await timed(() => all(publisher, 'rare'), 3);
  const [usual, usualMs, askedForUsual] = await timed(() => all(publisher, 'aggregate-77'), 3);
  const [last, lastMs, askedForLast] = await timed(() => publisher.lastSequence('rare'));
  const [none, , askedForNone] = await timed(() => all(publisher, 'unknown'));
  const [first, , askedForFirst] = await timed(async () => {
    for await (const event of publisher.read('aggregate-77')) return event;
    return undefined;
  });
  expect(rare.map(({ sequence }) => sequence)).toEqual([1, EVENTS]);
  expect(usual).toHaveLength(EVENTS / AGGREGATES);
  expect([last, none, first]).toEqual([EVENTS, [], usual[0]]);
  // The last one learns from the leader that there is no next event.
  expect(askedForRare).toEqual([request, batch, request]);
  expect(askedForUsual).toEqual([request, batch, request]);
  expect(askedForLast).toEqual([request]);
  expect(askedForNone).toEqual([request]);
  // What follows is asked for while the caller looks at this one.
  expect(askedForFirst.length).toBeLessThanOrEqual(2);
  // What a plain client left out: the schema version is 1, the time is when it was stored.
  expect([rare[0]!.version, Date.now() - rare[0]!.timestamp.getTime() < 60_000]).toEqual([1, true]);
  // Timings report, they do not gate.
  console.log(
    `of ${EVENTS} events: 2 far apart in ${rareMs.toFixed(1)} ms, ${usual.length} in ${usualMs.toFixed(1)} ms, ` +
      `the last sequence in ${lastMs.toFixed(1)} ms`,
  );
}, 120_000);
