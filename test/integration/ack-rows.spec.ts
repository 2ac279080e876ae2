import { afterEach, describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { connect, type ConnectionOptions, type NatsConnection } from 'nats';
import { AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { type NatsServer, startNatsCluster, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { freePorts } from '#library/testing/nats/nats-process.js';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { type HeardAck, HeardAcks } from '../support/heard-acks.js';
import { TcpProxy } from '../support/tcp-proxy.js';

// How acks ask for confirmations: a turn's together where one connection leads straight to the lone server that keeps
// the stream, each for its own anywhere else.

const TOPIC = 'ack-rows';
const GROUP = 'g';
const VERSIONS = ['2.15', '2.10'];

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Handle = (aggregateId: string, n: number) => Promise<void> | void;

interface Where {
  readonly servers: string;
  readonly connection?: ConnectionOptions;
  readonly replicas?: number;
}

async function start(
  { servers, connection = {}, replicas = 1 }: Where,
  handle?: Handle,
): Promise<INestApplication> {
  @Controller()
  class Handler {
    @AggregateHandler(TOPIC)
    handle(@Payload() n: number, @AggregateId() id: string) {
      return handle?.(id, n);
    }
  }

  const app = await startApp({
    options: {
      ...{ servers, connection, group: GROUP },
      topics: { [TOPIC]: { stream: { replicas }, consume: { leaseTtlMs: 1_500 } } },
      shutdown: { drainMs: 200 },
    },
    publishers: [TOPIC],
    ...(handle === undefined ? {} : { controllers: [Handler] }),
  });
  closers.push(() => app.close());
  return app;
}

/** Publishes `n` = 1, 2, 3, … for each of the aggregates; resolves with the sequences of each. */
async function backlog(app: INestApplication, ids: readonly string[], each: number) {
  const sequences = new Map<string, number[]>();
  await Promise.all(
    ids.map(async (aggregateId) => {
      const publishes = Array.from({ length: each }, (_, index) =>
        publisherOf(app, TOPIC).publish({ aggregateId, type: 'T', payload: index + 1 }),
      );
      sequences.set(
        aggregateId,
        (await Promise.all(publishes)).map(({ sequence }) => sequence),
      );
    }),
  );
  return sequences;
}

/** A connection past all proxies that hears every ack. */
class Observer {
  readonly acks: HeardAck[] = [];
  /** Sequences in the order in which the server had their first ack. */
  readonly first = new Set<number>();

  private constructor(readonly nats: NatsConnection) {
    const heard = new HeardAcks({
      isLone: true,
      sent: (ack) => {
        this.acks.push(ack);
        this.first.add(ack.sequence);
      },
      confirmed: () => undefined,
    });
    nats.subscribe(`$JS.ACK.${TOPIC}.>`, { callback: (_error, message) => heard.acked(message) });
  }

  static async open(url: string): Promise<Observer> {
    const nats = await connect({ servers: url });
    closers.push(() => nats.close());
    const observer = new Observer(nats);
    await nats.flush();
    return observer;
  }

  /** Of these sequences those that the server had an ack of, in that order. */
  ackedOf(sequences: readonly number[]): number[] {
    return [...this.first].filter((sequence) => sequences.includes(sequence));
  }

  async settledThrough(): Promise<{ pending: number; floor: number }> {
    const answer = await this.nats.request(`$JS.API.CONSUMER.INFO.${TOPIC}.${GROUP}-1-0`);
    const info = answer.json<{
      num_ack_pending: number;
      num_pending: number;
      ack_floor: { stream_seq: number };
    }>();
    return { pending: info.num_ack_pending + info.num_pending, floor: info.ack_floor.stream_seq };
  }

  async allSettled(count: number): Promise<void> {
    await eventually('all is settled', async () => {
      const { pending, floor } = await this.settledThrough();
      return pending === 0 && floor === count;
    });
  }
}

async function loneServer(version: string): Promise<NatsServer> {
  const server = await startNatsServer({ version });
  closers.push(() => server.stop());
  return server;
}

async function proxyOf({ port }: NatsServer): Promise<TcpProxy> {
  const proxy = await TcpProxy.listen(port);
  closers.push(() => proxy.close());
  return proxy;
}

const AGGREGATES = Array.from({ length: 20 }, (_, index) => `a-${index}`);

describe.each(VERSIONS)('on a lone server of %s', (version) => {
  test("a backlog is acked in each aggregate's stored order, with far fewer confirmations than acks, and all of it", async () => {
    const server = await loneServer(version);
    const observer = await Observer.open(server.url);
    const stored = await backlog(await start({ servers: server.url }), AGGREGATES, 100);
    await start({ servers: server.url }, () => undefined);
    await observer.allSettled(2_000);
    for (const sequences of stored.values()) expect(observer.ackedOf(sequences)).toEqual(sequences);
    const asked = observer.acks.filter(({ asks }) => asks).length;
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThan(2_000 / 3);
  });

  test('cut again and again, what is settled stays a prefix of each aggregate, and the next process goes on behind it', async () => {
    const each = 150;
    const server = await loneServer(version);
    const observer = await Observer.open(server.url);
    const stored = await backlog(await start({ servers: server.url }), AGGREGATES, each);
    const proxy = await proxyOf(server);
    // The first process does not come to the end.
    let toHandle = 2_500;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    await start({ servers: proxy.url }, () =>
      toHandle-- > 0 ? new Promise((resolve) => setImmediate(resolve)) : released,
    );
    closers.push(() => {
      proxy.heal();
      release();
      return Promise.resolve();
    });
    for (let acked = 100; acked <= 2_100; acked += 200) {
      await eventually('some more acks', () => observer.first.size >= acked);
      proxy.cut();
    }
    await eventually('some more acks', () => observer.first.size >= 2_200);
    proxy.blackhole('both');
    await observer.nats.flush();
    const settled = new Set(observer.first);

    const again = new Map<string, number[]>();
    await start({ servers: server.url }, (id, n) => void again.set(id, [...(again.get(id) ?? []), n]));
    await observer.allSettled(AGGREGATES.length * each);
    for (const [id, sequences] of stored) {
      // First acks in stored order and without a hole: at any time what has none is an end of the aggregate.
      expect(observer.ackedOf(sequences)).toEqual(sequences);
      const [from = each + 1] = again.get(id) ?? [];
      expect(from).toBeGreaterThan(sequences.filter((sequence) => settled.has(sequence)).length);
      expect(again.get(id) ?? []).toEqual(
        Array.from({ length: each + 1 - from }, (_, index) => from + index),
      );
    }
  });
});

describe('where acks may take different ways every one asks for its own confirmation:', () => {
  async function expectSteps(where: Where, observer: Observer): Promise<void> {
    const stored = await backlog(await start(where), ['a', 'b'], 60);
    await start(where, () => undefined);
    await observer.allSettled(120);
    expect(observer.acks.filter(({ asks }) => !asks)).toEqual([]);
    for (const sequences of stored.values()) expect(observer.ackedOf(sequences)).toEqual(sequences);
  }

  test.each([1, 3])('in a cluster of three, for a stream that is kept %i times', async (replicas) => {
    const cluster = await startNatsCluster(3);
    closers.push(() => cluster.stop());
    const servers = cluster.urls[0]!;
    await expectSteps({ servers, replicas }, await Observer.open(servers));
  });

  test.each(VERSIONS)('behind a leaf node of %s that has JetStream of its own', async (version) => {
    const [port] = await freePorts(1);
    const hub = await startNatsServer({
      version,
      config: `jetstream { domain: hub }\nleafnodes { listen: "127.0.0.1:${port}" }`,
    });
    closers.push(() => hub.stop());
    const leaf = await startNatsServer({
      version,
      config: `
        jetstream { domain: leaf }
        accounts {
          EDGE: { users: [{ user: edge, password: pw }] }
          OWN: { jetstream: enabled, users: [{ user: own, password: pw }] }
        }
        leafnodes { remotes: [{ urls: ["nats-leaf://127.0.0.1:${port}"], account: EDGE }] }
        default_js_domain { EDGE: hub }`,
    });
    closers.push(() => leaf.stop());
    const connection = { user: 'edge', pass: 'pw' };
    await expectSteps({ servers: leaf.url, connection }, await Observer.open(hub.url));
  });
});
