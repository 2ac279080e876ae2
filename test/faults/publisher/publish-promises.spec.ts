import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Logger, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AggregateRoot } from '@nestjs/cqrs';
import { ClientProxy, ClientsModule } from '@nestjs/microservices';
import { connect, type NatsConnection } from 'nats';
import {
  AggregateClient,
  type AggregatePublisher,
  AggregateRecord,
  type AggregateTransportOptions,
  type PublishResult,
} from 'nestjs-aggregate-transport';
import { firstValueFrom } from 'rxjs';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { fairClockForAll } from '../../support/fair-clock.js';
import { serverForAll } from '../../support/server.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { Servers } from './servers.js';

// What issue 5 must show, one promise a test, against a real server. Faults in all their mixtures are judged by
// publisher-faults.spec.ts beside this file.

const server = serverForAll();
const clock = fairClockForAll();
/** NATS_URL may name a server that other tests have used, so each test has a topic of its own. */
let topic: string;
let count = 0;
const opened: (() => Promise<unknown>)[] = [];

beforeEach(() => {
  topic = `promises_${process.pid}_${++count}`;
});

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

interface Publishing {
  readonly app: INestApplication;
  readonly publisher: AggregatePublisher;
  readonly proxy: TcpProxy;
}

/** A service that publishes through a proxy. */
async function publishing(options: Partial<AggregateTransportOptions> = {}): Promise<Publishing> {
  const proxy = await TcpProxy.listen(server().port);
  opened.push(() => proxy.close());
  const app = await startApp({
    options: { servers: proxy.url, topics: { [topic]: {} }, ...options },
    publishers: [topic],
  });
  opened.push(() => app.close());
  return { app, publisher: publisherOf(app, topic), proxy };
}

interface Held {
  readonly id: string;
  readonly aggregate: string;
  readonly seq: number;
}

/** What the topic's stream holds, by sequence. */
async function held(): Promise<Held[]> {
  const nats = await connect({ servers: server().url });
  try {
    const { state } = await (await nats.jetstreamManager()).streams.info(topic);
    if (state.messages === 0) return [];
    const found: Held[] = [];
    const consumer = await nats.jetstream().consumers.get(topic);
    for await (const message of await consumer.consume()) {
      const body = message.json<{ event_id: string; aggregate_id: string }>();
      found.push({ id: body.event_id, aggregate: body.aggregate_id, seq: message.seq });
      if (message.seq >= state.last_seq) break;
    }
    return found;
  } finally {
    await nats.close();
  }
}

const event = (aggregateId: string, eventId: string) => ({
  aggregateId,
  type: 'Counted',
  payload: {},
  eventId,
});

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'stored',
    (error: unknown) => (error as { code: string }).code,
  );
}

describe('an event id', () => {
  test('belongs to its aggregate: two aggregates may use the same one, and both are stored', async () => {
    const { publisher } = await publishing();
    const receipts = await publisher.publishAll([event('a', 'same'), event('b', 'same')]);
    expect(receipts.map(({ duplicate }) => duplicate)).toEqual([false, false]);
    expect(await held()).toEqual([
      { id: 'same', aggregate: 'a', seq: receipts[0]!.sequence },
      { id: 'same', aggregate: 'b', seq: receipts[1]!.sequence },
    ]);
  });

  test('is stored once however often its aggregate publishes it', async () => {
    const { publisher } = await publishing();
    const first = await publisher.publish(event('a', 'once'));
    expect(await publisher.publish(event('a', 'once'))).toEqual({ ...first, duplicate: true });
    expect(await held()).toHaveLength(1);
  });
});

test.each([
  ['an id of 257 bytes', 'x'.repeat(257)],
  ['a lone surrogate', 'id-\ud800'],
])(
  '%s is refused before anything is sent; the connection and all other aggregates are untouched',
  async (_name, id) => {
    const { publisher, proxy } = await publishing();
    await publisher.publish(event('other', '1'));
    const calls = [
      publisher.publish(event('other', '2')),
      publisher.publish(event(id, '1')),
      publisher.publish(event('other', '3')),
    ];
    expect(await Promise.all(calls.map(codeOf))).toEqual(['stored', 'AGGREGATE_ID_INVALID', 'stored']);
    expect(publisher.pending).toBe(0);
    expect([proxy.accepted, proxy.size]).toEqual([1, 1]);
    expect((await held()).map(({ id: stored }) => stored)).toEqual(['1', '2', '3']);
  },
);

test('a half-open connection is left within 10 s, and publishing continues over a new one, in order', async () => {
  const broken = await TcpProxy.listen(server().port);
  const sound = await TcpProxy.listen(server().port);
  opened.push(
    () => broken.close(),
    () => sound.close(),
  );
  const { publisher } = await publishing({
    servers: [broken.url, sound.url],
    connection: { noRandomize: true },
  });
  await publisher.publish(event('a', '0'));
  broken.blackhole('both');
  const since = clock().now();
  const ids = Array.from({ length: 20 }, (_, index) => String(index + 1));
  const receipts = await publisher.publishAll(ids.map((id) => event('a', id)));
  const leftAfterMs = clock().now() - since;
  expect(leftAfterMs).toBeLessThan(10_000);
  expect(sound.size).toBe(1);
  // What the broken connection held arrives after all.
  broken.heal();
  await publisher.publish(event('a', 'last'));
  expect(receipts.every(({ duplicate }) => !duplicate)).toBe(true);
  expect((await held()).map(({ id }) => id)).toEqual(['0', ...ids, 'last']);
}, 30_000);

test.each(['2.15', '2.10'])(
  'a full stream refuses events and those queued after them, and takes later ones once it has room (%s)',
  async (version) => {
    const servers = await Servers.start(version, 1);
    opened.push(() => servers.stop());
    const app = await startApp({
      options: {
        servers: servers.urls[0]!,
        topics: { [topic]: {} },
        stream: { discard: 'new', maxMessages: 3 },
      },
      publishers: [topic],
    });
    opened.push(() => app.close());
    const publisher = publisherOf(app, topic);
    const calls = [1, 2, 3, 4, 5, 6].map((n) => publisher.publish(event('a', String(n))));
    expect(await Promise.all(calls.map(codeOf))).toEqual([
      ...['stored', 'stored', 'stored', 'PUBLISH_REJECTED', 'PREDECESSOR_REJECTED', 'PREDECESSOR_REJECTED'],
    ]);
    const nats = await connect({ servers: servers.urls[0]! });
    opened.push(() => nats.close());
    await (await nats.jetstreamManager()).streams.update(topic, { max_msgs: 10 });
    const receipts = await publisher.publishAll([7, 8].map((n) => event('a', String(n))));
    expect(receipts.map(({ sequence }) => sequence)).toEqual([4, 5]);
    expect([publisher.published, publisher.failed, publisher.pending]).toEqual([5, 3, 0]);
  },
  30_000,
);

describe.each(['2.15', '2.10'])('expectedSequence on %s', (version) => {
  test('refuses with what was expected and what is there; a retry of what is stored is no conflict', async () => {
    const servers = await Servers.start(version, 1);
    opened.push(() => servers.stop());
    const options = { servers: servers.urls[0]!, topics: { [topic]: {} } };
    const [first, second] = await Promise.all([1, 2].map(() => startApp({ options, publishers: [topic] })));
    opened.push(
      () => first!.close(),
      () => second!.close(),
    );
    const mine = publisherOf(first!, topic);
    const theirs = publisherOf(second!, topic);
    const one = await mine.publish({ ...event('a', '1'), expectedSequence: 0 });
    const refused = theirs.publish({ ...event('a', 'theirs'), expectedSequence: 0 });
    await expect(refused).rejects.toMatchObject({
      code: 'SEQUENCE_CONFLICT',
      expectedSequence: 0,
      actualSequence: one.sequence,
    });
    // The same event from another process, as after a crash, before and after the aggregate went on.
    const again = await theirs.publish({ ...event('a', '1'), expectedSequence: 0 });
    expect(again).toEqual({ ...one, duplicate: true });
    const two = await mine.publish({ ...event('a', '2'), expectedSequence: one.sequence });
    expect(await theirs.publish({ ...event('a', '1'), expectedSequence: 0 })).toEqual({
      ...one,
      duplicate: true,
    });
    expect(await theirs.lastSequence('a')).toBe(two.sequence);
  }, 30_000);
});

describe('an unknown outcome', () => {
  /** Copies stop after 8 s. */
  const impatient = { publish: { giveUpAfterMs: 1_000 }, stream: { duplicateWindowMs: 16_000 } };

  test('closes its aggregate and no other until it is known; a late answer opens it, and nothing has overtaken', async () => {
    const { publisher, proxy } = await publishing(impatient);
    await publisher.publish(event('a', '1'));
    proxy.blackhole('s2c');
    const calls = [publisher.publish(event('a', '2')), publisher.publish(event('a', '3'))];
    expect(await Promise.all(calls.map(codeOf))).toEqual(['OUTCOME_UNKNOWN', 'PREDECESSOR_UNKNOWN']);
    expect(await codeOf(publisher.publish(event('a', '4')))).toBe('PREDECESSOR_UNKNOWN');
    const other = publisher.publish(event('b', '1'));
    proxy.heal();
    await other;
    await eventually(
      'the aggregate to open',
      async () => (await codeOf(publisher.publish(event('a', '5')))) === 'stored',
    );
    const ofA = (await held()).filter(({ aggregate }) => aggregate === 'a');
    expect(ofA.map(({ id }) => id)).toEqual(['1', '2', '5']);
  });

  test('is looked up when copies must stop, even if another publisher has written behind the event', async () => {
    const { publisher, proxy } = await publishing(impatient);
    const other = await publishing();
    await publisher.publish(event('a', '1'));
    proxy.blackhole('s2c');
    expect(await codeOf(publisher.publish(event('a', '2')))).toBe('OUTCOME_UNKNOWN');
    await other.publisher.publish(event('a', 'foreign'));
    const infos = jest.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);
    // No answer gets through until copies may not leave any more.
    await new Promise((resolve) => setTimeout(resolve, 7_500));
    proxy.heal();
    await eventually(
      'the aggregate to open',
      async () => (await codeOf(publisher.publish(event('a', '3')))) === 'stored',
    );
    const told = infos.mock.calls.map(([text]) => String(text));
    infos.mockRestore();
    expect(told.filter((text) => text.includes('was looked up'))).toHaveLength(1);
    expect((await held()).map(({ id }) => id)).toEqual(['1', '2', 'foreign', '3']);
  }, 30_000);
});

async function clientOf(
  more: Partial<AggregateTransportOptions> = {},
): Promise<{ client: AggregateClient; proxy: TcpProxy; app: INestApplication }> {
  const proxy = await TcpProxy.listen(server().port);
  opened.push(() => proxy.close());
  @Module({
    imports: [
      ClientsModule.register([
        {
          name: 'ORDERS',
          customClass: AggregateClient,
          options: { servers: proxy.url, topics: { [topic]: {} }, ...more },
        },
      ]),
    ],
  })
  class ClientModule {}
  const app = await NestFactory.create(ClientModule, { logger: false, abortOnError: false });
  await app.init();
  opened.push(() => app.close());
  return { client: app.get<AggregateClient>('ORDERS'), proxy, app };
}

function emit(client: AggregateClient, aggregateId: string, id: string) {
  return client.emit(topic, new AggregateRecord(event(aggregateId, id)));
}

describe('AggregateClient', () => {
  test('works as a customClass of ClientsModule, and emit gives the receipt', async () => {
    const { client } = await clientOf();
    expect(client).toBeInstanceOf(ClientProxy);
    const receipt = await firstValueFrom(emit(client, 'a', '1'));
    expect(receipt).toEqual({ topic, sequence: 1, duplicate: false });
  });

  test('emit is hot: it sends without a subscriber, once though two subscribe, and a late one hears it too', async () => {
    const { client } = await clientOf();
    await client.connect();
    client.emit(topic, new AggregateRecord(event('a', 'unobserved')));
    const twice = client.emit(topic, new AggregateRecord(event('a', 'observed')));
    const [one, two] = await Promise.all([firstValueFrom(twice), firstValueFrom(twice)]);
    expect(one).toEqual(two);
    expect(await firstValueFrom(twice)).toEqual(one);
    expect((await held()).map(({ id }) => id)).toEqual(['unobserved', 'observed']);
  });

  test('a failure without an observer is logged; one with an observer is an error of the Observable', async () => {
    const { client } = await clientOf();
    await client.connect();
    const errors = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    try {
      client.emit(topic, new AggregateRecord(event('', 'unobserved')));
      await eventually('the log', () => errors.mock.calls.length === 1);
      expect(String(errors.mock.calls[0]![0])).toMatch(/was not stored: AGGREGATE_ID_INVALID/);
      const observed = firstValueFrom(client.emit(topic, new AggregateRecord(event('', 'observed'))));
      await expect(observed).rejects.toMatchObject({ code: 'AGGREGATE_ID_INVALID' });
      expect(errors.mock.calls).toHaveLength(1);
    } finally {
      errors.mockRestore();
    }
  });

  test('anything but an AggregateRecord is refused, and send() is, with the reason', async () => {
    const { client } = await clientOf();
    await expect(firstValueFrom(client.emit(topic, { aggregateId: 'a' }))).rejects.toMatchObject({
      code: 'EVENT_INVALID',
    });
    await expect(firstValueFrom(client.send())).rejects.toMatchObject({ code: 'REQUEST_UNSUPPORTED' });
    expect(await held().catch(() => [])).toEqual([]);
  });

  test('connect opens, may be repeated; unwrap gives the connections; close ends them, what was emitted is stored first', async () => {
    const { client, proxy } = await clientOf();
    expect(client.unwrap<Map<string, unknown>>().get(topic)).toBeUndefined();
    await Promise.all([client.connect(), client.connect()]);
    expect(proxy.size).toBe(1);
    const nats = client.unwrap<Map<string, NatsConnection>>().get(topic)!;
    expect(nats.isClosed()).toBe(false);
    const last = firstValueFrom(client.emit(topic, new AggregateRecord(event('a', 'last'))));
    await client.close();
    await client.close();
    expect(nats.isClosed()).toBe(true);
    expect((await last).sequence).toBe(1);
    const late = firstValueFrom(client.emit(topic, new AggregateRecord(event('a', 'late'))));
    await expect(late).rejects.toMatchObject({ code: 'PUBLISHER_CLOSED' });
  });
});

test('calls made before the connection is up are bounded like all others, and stored in order once it is', async () => {
  const { client, proxy } = await clientOf({
    connection: { waitOnFirstConnect: true },
    publish: { maxPending: 1, maxBlocked: 1 },
  });
  const refusing = proxy.refuse(1_000);
  const calls = ['1', '2', 'too many'].map((id) => codeOf(firstValueFrom(emit(client, 'a', id))));
  const atOnce = await Promise.race([calls[2], refusing.then(() => 'only when the connection was up')]);
  expect(atOnce).toBe('PUBLISHER_SATURATED');
  await refusing;
  expect(await Promise.all(calls)).toEqual(['stored', 'stored', 'PUBLISHER_SATURATED']);
  expect((await held()).map(({ id }) => id)).toEqual(['1', '2']);
});

describe("AggregateClient's status", () => {
  test('follows the connection, and on() tells the topic of each disconnect and reconnect', async () => {
    const { client, proxy } = await clientOf();
    const seen: string[] = [];
    client.status.subscribe((status) => seen.push(status));
    client.on('disconnect', (name) => seen.push(`${name} disconnect`));
    client.on('reconnect', (name) => seen.push(`${name} reconnect`));
    await client.connect();
    expect(seen).toEqual(['connected']);
    proxy.cut();
    await eventually('the reconnect', () => seen.length === 5);
    expect(seen).toEqual([
      'connected',
      'disconnected',
      `${topic} disconnect`,
      'connected',
      `${topic} reconnect`,
    ]);
    await client.close();
    expect(seen.at(-1)).toBe('disconnected');
  });
});

describe('publishAggregate takes an aggregate root of @nestjs/cqrs, and', () => {
  class Happened {
    constructor(readonly id: string) {}
  }

  class Order extends AggregateRoot<Happened> {
    constructor(readonly id: string) {
      super();
    }

    happen(id: string): void {
      this.apply(new Happened(id));
    }
  }

  test('stores all in order and takes them off; if one fails the aggregate keeps them all', async () => {
    const { publisher } = await publishing();
    const order = new Order('order-1');
    for (const id of ['placed', 'paid', 'shipped']) order.happen(id);
    const receipts = await publisher.publishAggregate(order, ({ id }) => event(order.id, id));
    expect(receipts.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(order.getUncommittedEvents()).toEqual([]);
    order.happen('returned');
    const failing = publisher.publishAggregate(order, ({ id }) => ({
      ...event(order.id, id),
      payload: { amount: 1n },
    }));
    await expect(failing).rejects.toMatchObject({ code: 'PUBLISH_ALL_FAILED' });
    expect(order.getUncommittedEvents()).toEqual([new Happened('returned')]);
    expect((await held()).map(({ id }) => id)).toEqual(['placed', 'paid', 'shipped']);
  });
});

test('results$ tells each call once, with the event it was given', async () => {
  const { publisher } = await publishing();
  const results: PublishResult[] = [];
  publisher.results$.subscribe((result) => results.push(result));
  const events = [event('a', '1'), event('', '2'), event('a', '3')];
  const outcomes = await Promise.all(events.map((one) => codeOf(publisher.publish(one))));
  expect(outcomes).toEqual(['stored', 'AGGREGATE_ID_INVALID', 'stored']);
  expect(results).toHaveLength(3);
  for (const [index, one] of events.entries()) {
    expect(results.filter((result) => result.event === one).map(({ outcome }) => outcome)).toEqual([
      index === 1 ? 'failed' : 'stored',
    ]);
  }
});
