import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import type { NatsConnection } from 'nats';
import {
  AggregateContext,
  AggregateHandler,
  AggregateHealthIndicator,
  type AggregateTransportOptions,
  AggregateTransportStatus,
  type HealthProblem,
  type HealthProblemCode,
  type Meter,
  ParkedAggregates,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { AccountServer, PASSWORD } from '../support/account-server.js';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { fairClockForAll } from '../support/fair-clock.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** What is broken here must be named within this time, and the name must go within this time of the repair. */
const NAMED_WITHIN_MS = 5_000;
/** A partition without an owner, and a connection that is up and dead. */
const SLOWLY_NAMED_WITHIN_MS = 8_000;
const CLEARED_WITHIN_MS = 5_000;
/** Ends what hangs. */
const POLLED_FOR_MS = 60_000;
const AGGREGATES = 10;
const PUBLISH_EVERY_MS = 100;

/** One account with one service on one topic, and all that breaks it. */
interface World {
  readonly topic: string;
  readonly server: AccountServer;
  readonly admin: NatsConnection;
  readonly proxy: TcpProxy;
  readonly app: INestApplication;
  /** What the handler does with each event. */
  behave: (context: AggregateContext) => unknown;
}

interface Row {
  /** Names the account and the topic, too. */
  readonly name: string;
  readonly code: HealthProblemCode;
  readonly isReady?: boolean;
  readonly namedWithinMs?: number;
  /** The line that the log has once; by default the one of health itself. */
  readonly line?: (topic: string) => RegExp;
  readonly topicOptions?: NonNullable<AggregateTransportOptions['topics']>[string];
  readonly break: (world: World) => unknown;
  readonly repair: (world: World) => unknown;
}

const refusedLetter = (topic: string): RegExp =>
  new RegExp(`error topic "${topic}".*a parked event could not be stored`);
const parkOne = (world: World): void => {
  world.behave = ({ aggregateId }) => {
    if (aggregateId === 'a1') throw new UnrecoverableError(new Error('no stock'));
  };
};

const ROWS: readonly Row[] = [
  {
    name: 'lease',
    code: 'unowned',
    namedWithinMs: SLOWLY_NAMED_WITHIN_MS,
    ...streamAway(() => 'KV_aggregate-transport'),
  },
  { name: 'positions', code: 'not-committing', ...streamAway((topic) => `${topic}_positions`) },
  { name: 'events', code: 'not-publishing', ...streamAway((topic) => topic) },
  { name: 'reading', code: 'not-reading', ...streamAway((topic) => topic) },
  { name: 'letters', code: 'letters-refused', line: refusedLetter, ...parkingAway((t) => `${t}_parked`) },
  {
    name: 'markers',
    code: 'letters-refused',
    line: refusedLetter,
    ...parkingAway(() => 'KV_aggregate-transport-parked'),
  },
  {
    name: 'creation',
    code: 'not-reading',
    break: async ({ server, topic, admin }) => {
      await server.rule(topic, { denied: ['$JS.API.CONSUMER.CREATE.>'] });
      await deleteReaders(admin, topic);
    },
    repair: ({ server, topic }) => server.rule(topic),
  },
  {
    name: 'pulls',
    code: 'not-reading',
    break: ({ server, topic }) => server.rule(topic, { denied: ['$JS.API.CONSUMER.MSG.NEXT.>'] }),
    repair: ({ server, topic }) => server.rule(topic),
  },
  {
    name: 'publish',
    code: 'not-publishing',
    break: ({ server, topic }) => server.rule(topic, { denied: [`${topic}.>`] }),
    repair: ({ server, topic }) => server.rule(topic),
  },
  {
    name: 'full',
    code: 'not-publishing',
    topicOptions: { stream: { discard: 'new' } },
    break: (world) => updateStream(world, { max_msgs: 1 }),
    repair: (world) => updateStream(world, { max_msgs: 1_000_000 }),
  },
  {
    name: 'disk',
    code: 'not-publishing',
    break: ({ server, topic }) => server.rule(topic, { jetstream: 1 }),
    repair: ({ server, topic }) => server.rule(topic),
  },
  {
    name: 'jetstream',
    code: 'jetstream-away',
    isReady: false,
    break: ({ server, topic }) => server.rule(topic, { jetstream: false }),
    repair: ({ server, topic }) => server.rule(topic),
  },
  {
    name: 'database',
    code: 'attempts-fail',
    isReady: false,
    break: (world) => {
      world.behave = () => {
        throw new Error('the database is away');
      };
    },
    repair: (world) => void (world.behave = () => undefined),
  },
  {
    name: 'handler',
    code: 'stuck',
    line: (topic) => new RegExp(`error topic "${topic}".*is stuck`),
    topicOptions: { consume: { timeoutMs: 1_000 } },
    break: (world) => {
      const hangs = new Promise<void>((resolve) => world.app.get(Release).add(resolve));
      world.behave = ({ aggregateId }) => (aggregateId === 'a1' ? hangs : undefined);
    },
    repair: (world) => world.app.get(Release).all(),
  },
  {
    name: 'parked',
    code: 'parked',
    line: (topic) => new RegExp(`error topic "${topic}".*its aggregate is parked`),
    break: parkOne,
    repair: async (world) => {
      world.behave = () => undefined;
      const parked = world.app.get(ParkedAggregates);
      await parked.discard({ topic: world.topic, aggregateId: 'a1' });
    },
  },
  {
    name: 'blackhole',
    code: 'disconnected',
    isReady: false,
    namedWithinMs: SLOWLY_NAMED_WITHIN_MS,
    line: () => /warn connection "aggregate-transport:blackhole" .* is gone/,
    break: ({ proxy }) => proxy.blackhole('both'),
    repair: ({ proxy }) => proxy.heal(),
  },
];

/** Lets go of handlers that hang. */
class Release {
  readonly #waiting = new Set<() => void>();

  add(resolve: () => void): void {
    this.#waiting.add(resolve);
  }

  all(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** What was seen of a row, to be judged by its test. */
interface Seen {
  readonly before: readonly HealthProblem[];
  readonly namedAfterMs: number;
  readonly named: HealthProblem;
  readonly health: { healthy: string; ready: string; live: string; ignoring: string };
  readonly status: readonly HealthProblemCode[];
  readonly metric: number;
  readonly clearedAfterMs: number;
  readonly lines: readonly string[];
  readonly metricAfter: number;
}

const clock = fairClockForAll();
const log = new CapturedLog();
const seen = new Map<string, Seen | Error>();
const open: (() => unknown)[] = [];

beforeAll(async () => {
  const server = await AccountServer.start(ROWS.map(({ name }) => name));
  open.push(() => server.stop());
  // Side by side, because nearly all of the time is waiting.
  await Promise.all(
    ROWS.map(async (row) => {
      const outcome = await walk(row, server).catch((error: unknown) => error as Error);
      seen.set(row.name, outcome);
    }),
  );
}, 120_000);

afterAll(async () => {
  for (const close of open.reverse()) await close();
}, 60_000);

test.each(ROWS)(
  '$name broken: $code is named in time by health, status, metric and log, and clears',
  (row) => {
    const found = seen.get(row.name);
    if (found instanceof Error) throw found;
    const { code, namedWithinMs = NAMED_WITHIN_MS, isReady = true } = row;
    expect(found?.before).toEqual([]);
    expect(found?.named).toEqual({
      ...found?.named,
      ...{ code, topic: row.name },
      why: expect.stringMatching(/.{10}/),
      do: expect.stringMatching(/.{10}/),
      since: expect.any(Number),
    });
    expect(found?.namedAfterMs).toBeLessThan(namedWithinMs);
    const ready = isReady ? 'up' : 'down';
    expect(found?.health).toEqual({ healthy: 'down', ready, live: 'up', ignoring: 'up' });
    expect(found?.status).toContain(code);
    expect(found?.metric).toBeGreaterThan(0);
    expect(found?.lines).toHaveLength(1);
    expect(found?.clearedAfterMs).toBeLessThan(CLEARED_WITHIN_MS);
    expect(found?.metricAfter).toBe(0);
  },
);

async function walk(row: Row, server: AccountServer): Promise<Seen> {
  const { meter, sumOf } = collectingMeter();
  const world = await worldOf(row, server, meter);
  const { app, topic } = world;
  const health = app.get(AggregateHealthIndicator);
  const problems = async (): Promise<readonly HealthProblem[]> =>
    (await health.isHealthy('events')).events.problems;
  const find = async (): Promise<HealthProblem | undefined> =>
    (await problems()).find(({ code }) => code === row.code);

  const before = await problems();
  const brokenAt = clock().now();
  await row.break(world);
  const named = await poll(`${row.code} named`, find);
  const namedAfterMs = clock().now() - brokenAt;
  const others = (await problems()).map(({ code }) => code).filter((code) => code !== row.code);
  const [healthy, ready, live, ignoring] = await Promise.all([
    health.isHealthy('events'),
    // Whether this code alone makes the process unready.
    health.isReady('events', { ignore: others }),
    health.isLive('events'),
    health.isHealthy('events', { ignore: [row.code, ...others] }),
  ]);
  const { problems: status } = await app.get(AggregateTransportStatus).snapshot();
  const metric = sumOf(row.code);
  // The log is written by a look each second.
  const line = row.line?.(topic) ?? new RegExp(`warn topic "${topic}".*health goes down, ${row.code}: `);
  await poll(`a line ${line.source}`, () => log.matching(line)[0]);
  const lines = log.matching(line);

  const repairedAt = clock().now();
  await row.repair(world);
  await poll(`${row.code} cleared`, async () => ((await find()) === undefined ? true : undefined));
  const clearedAfterMs = clock().now() - repairedAt;
  return {
    ...{ before, named, namedAfterMs, metric, lines, clearedAfterMs },
    health: {
      ...{ healthy: healthy.events.status, ready: ready.events.status },
      ...{ live: live.events.status, ignoring: ignoring.events.status },
    },
    status: status.map(({ code }) => code),
    metricAfter: sumOf(row.code),
  };
}

async function worldOf({ name, topicOptions }: Row, server: AccountServer, meter: Meter): Promise<World> {
  const world: { behave: World['behave'] } = { behave: () => undefined };

  @Controller()
  class Handler {
    @AggregateHandler(name)
    handle(@Ctx() context: AggregateContext): unknown {
      return world.behave(context);
    }
  }
  const proxy = await TcpProxy.listen(server.port);
  const app = await startApp({
    options: {
      servers: proxy.url,
      connection: { user: `app-${name}`, pass: PASSWORD },
      group: 'shop',
      metrics: { meter },
      shutdown: { drainMs: 500 },
      topics: { [name]: topicOptions ?? {} },
    },
    publishers: [name],
    controllers: [Handler],
    providers: [Release],
    logger: log,
  });
  const admin = await server.admin(name);
  const publisher = publisherOf(app, name);
  const traffic = { isOver: false };
  const ended = (async () => {
    for (let n = 0; !traffic.isOver; n++) {
      const event = { aggregateId: `a${n % AGGREGATES}`, type: 'Counted', payload: n };
      publisher.publish(event).catch(() => undefined);
      await pause(PUBLISH_EVERY_MS);
    }
  })();
  open.push(async () => {
    traffic.isOver = true;
    await ended;
    app.get(Release).all();
    await app.close();
    await admin.close();
    await proxy.close();
  });
  await poll('a first event', async () => {
    const { topics } = await app.get(AggregateTransportStatus).snapshot();
    return (topics[0]?.groups[0]?.partitions[0]?.counts.handled ?? 0) > 0 ? true : undefined;
  });
  return Object.assign(world, { topic: name, server, admin, proxy, app });
}

/** A stream that is deleted, and made again as it was. */
function streamAway(nameOf: (topic: string) => string): Pick<Row, 'break' | 'repair'> {
  const configs = new Map<string, object>();
  return {
    break: async ({ admin, topic }) => {
      const name = nameOf(topic);
      configs.set(topic, (await request<{ config: object }>(admin, `STREAM.INFO.${name}`)).config);
      await request(admin, `STREAM.DELETE.${name}`);
    },
    repair: ({ admin, topic }) => request(admin, `STREAM.CREATE.${nameOf(topic)}`, configs.get(topic)),
  };
}

/** Without it nothing can be parked. */
function parkingAway(nameOf: (topic: string) => string): Pick<Row, 'break' | 'repair'> {
  const away = streamAway(nameOf);
  return {
    break: async (world) => {
      await away.break(world);
      parkOne(world);
    },
    repair: (world) => away.repair(world),
  };
}

async function deleteReaders(admin: NatsConnection, stream: string): Promise<void> {
  const { consumers = [] } = await request<{ consumers?: string[] }>(admin, `CONSUMER.NAMES.${stream}`);
  for (const name of consumers) await request(admin, `CONSUMER.DELETE.${stream}.${name}`);
}

async function updateStream({ admin, topic }: World, change: object): Promise<void> {
  const { config } = await request<{ config: object }>(admin, `STREAM.INFO.${topic}`);
  await request(admin, `STREAM.UPDATE.${topic}`, { ...config, ...change });
}

/** Raw: the client's own types leave out settings of newer servers. */
async function request<T>(admin: NatsConnection, call: string, body?: object): Promise<T> {
  const payload = body === undefined ? '' : JSON.stringify(body);
  // While the rules of another account are read, the server has no JetStream for anyone.
  const message = await poll(`an answer to ${call}`, () =>
    admin.request(`$JS.API.${call}`, payload, { timeout: 5_000 }).catch(() => undefined),
  );
  const answer = message.json<T & { error?: { description: string } }>();
  if (answer.error !== undefined) throw new Error(`${call}: ${answer.error.description}`);
  return answer;
}

/** Only what a collection of the problems needs. */
function collectingMeter(): { meter: Meter; sumOf: (code: string) => number } {
  // That of the problems reads memory, and has ended when it returns.
  type Callback = Parameters<ReturnType<Meter['createObservableGauge']>['addCallback']>[0];
  const callbacks = new Set<Callback>();
  const observable = (name: string) => ({
    addCallback: (callback: Callback): void => {
      if (name === 'aggregate_transport.problems') callbacks.add(callback);
    },
    removeCallback: (callback: Callback) => void callbacks.delete(callback),
  });
  return {
    meter: {
      createHistogram: () => ({ record: () => undefined }),
      createObservableCounter: observable,
      createObservableGauge: observable,
    },
    sumOf: (wanted) => {
      let sum = 0;
      const observe = (value: number, attributes: Readonly<Record<string, unknown>> = {}): void => {
        if (attributes['aggregate_transport.problem.code'] === wanted) sum += value;
      };
      for (const callback of callbacks) void callback({ observe });
      return sum;
    },
  };
}

async function poll<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const until = performance.now() + POLLED_FOR_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > until) throw new Error(`expected ${what} within a minute, but it never was`);
    await pause(50);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
