import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { connect } from 'nats';
import {
  AggregateHandler,
  AggregateId,
  AggregateServer,
  type AggregateTransportOptions,
} from 'nestjs-aggregate-transport';
import { OrderOracle } from 'nestjs-aggregate-transport/testing';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';
import { seededRandom } from '../support/seeded.js';

// Replicas as applications of one process: each has its own connection, leases and presence.

const random = seededRandom('replicas');
const server = serverForAll();
const PARTITIONS = 8;
const AGGREGATES = 64;
/** Long enough that a busy machine loses none: then moves can be counted. */
const LEASE_TTL_MS = 5_000;
const MAX_HANDLER_MS = 4;

let running: INestApplication[] = [];

afterEach(async () => {
  await Promise.all(running.map((app) => app.close()));
  running = [];
});

interface Scene {
  readonly topic: string;
  readonly oracle: OrderOracle;
  readonly controller: new () => object;
  readonly log: CapturedLog;
}

function sceneOf(topic: string): Scene {
  const oracle = new OrderOracle();

  @Controller()
  class Handler {
    @AggregateHandler(topic)
    async handle(@Payload() payload: { n: number }, @AggregateId() id: string) {
      oracle.started(id, payload.n);
      await new Promise((resolve) => setTimeout(resolve, random() * MAX_HANDLER_MS));
      oracle.ended(id, payload.n, true);
    }
  }
  return { topic, oracle, controller: Handler, log: new CapturedLog() };
}

async function join(
  { topic, controller, log }: Scene,
  more: Partial<AggregateTransportOptions> = {},
): Promise<INestApplication> {
  const app = await startApp({
    options: {
      servers: server().url,
      group: 'replicas',
      topics: { [topic]: {} },
      ...more,
      consume: { partitions: PARTITIONS, leaseTtlMs: LEASE_TTL_MS },
    },
    controllers: [controller],
    logger: log,
  });
  running.push(app);
  return app;
}

async function leave(app: INestApplication): Promise<void> {
  running = running.filter((one) => one !== app);
  await app.close();
}

function heldBy(app: INestApplication): number[] {
  const { partitions } = app.get(AggregateServer);
  return partitions.filter(({ lease }) => lease.mode === 'held').map(({ partition }) => partition);
}

/** Every partition has one owner, and two replicas differ by one at most. */
function isBalanced(): boolean {
  const held = running.map(heldBy);
  const counts = held.map(({ length }) => length);
  return (
    new Set(held.flat()).size === PARTITIONS &&
    held.flat().length === PARTITIONS &&
    Math.max(...counts) - Math.min(...counts) <= 1
  );
}

/** Publishes round after round until it is stopped; an own application, so that no replica's end ends it. */
async function startLoad({ topic, oracle }: Scene) {
  const app = await startApp({
    options: { servers: server().url, topics: { [topic]: {} } },
    publishers: [topic],
  });
  running.push(app);
  const publisher = publisherOf(app, topic);
  const state = { stopped: false };
  const done = (async () => {
    while (!state.stopped) {
      await Promise.all(
        Array.from({ length: AGGREGATES }, (_, index) => {
          const aggregateId = `aggregate-${index}`;
          return publisher.publish({
            aggregateId,
            type: 'Counted',
            payload: { n: oracle.published(aggregateId) },
          });
        }),
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await leave(app);
  })();
  return {
    stop: () => {
      state.stopped = true;
      return done;
    },
  };
}

test('1 → 4 → 1 replicas under load: an even share each time, in order, nothing twice, few moves', async () => {
  const scene = sceneOf('scale');
  const load = await startLoad(scene);
  running = [];
  const first = await join(scene);
  await eventually('one replica to hold all', isBalanced);
  const leases = () => scene.log.matching(/lease held/).length;
  expect(leases()).toBe(PARTITIONS);

  const others = await Promise.all([join(scene), join(scene), join(scene)]);
  await eventually('four replicas to hold two each', isBalanced);
  // Three quarters have moved, each once.
  expect(leases()).toBe(PARTITIONS + 6);

  for (const other of others) {
    const before = leases();
    const moves = heldBy(other).length;
    await leave(other);
    await eventually(`${running.length} replicas to share all`, isBalanced);
    expect(leases()).toBe(before + moves);
  }
  expect(heldBy(first)).toHaveLength(PARTITIONS);
  await load.stop();
  await eventually('all events handled', () => scene.oracle.isComplete);
  const verdict = scene.oracle.verdict();
  expect(verdict).toMatchObject({ repeated: 0, violations: [], overlaps: [], lost: [] });
  expect(verdict.handled).toBeGreaterThan(1_000);
  expect(scene.log.matching(/the lease is lost|is not handed over|the lease was free for long/)).toEqual([]);
});

test.each(['perTopic', 'shared'] as const)(
  'several topics and groups in one process share out each by itself, connectionMode %s',
  async (connectionMode) => {
    const topics = [`one-${connectionMode}`, `two-${connectionMode}`];
    const [one = '', two = ''] = topics;

    @Controller()
    class Handler {
      @AggregateHandler(one)
      first() {}

      @AggregateHandler(one, { group: 'others' })
      second() {}

      @AggregateHandler(two)
      third() {}
    }
    const scene = { ...sceneOf(one), controller: Handler };
    const options = { connectionMode, topics: { [one]: {}, [two]: {} } };
    await Promise.all([join(scene, options), join(scene, options)]);
    await eventually('each replica to hold half of each of the three', () =>
      running.every((app) => {
        const { partitions } = app.get(AggregateServer);
        const groups = [0, 1, 2].map((group) =>
          partitions.slice(group * PARTITIONS, (group + 1) * PARTITIONS),
        );
        return groups.every(
          (group) => group.filter(({ lease }) => lease.mode === 'held').length === PARTITIONS / 2,
        );
      }),
    );
  },
);

test('replicas that left leave no record of their presence', async () => {
  const scene = sceneOf('presence');
  const apps = await Promise.all([join(scene), join(scene)]);
  const nats = await connect({ servers: server().url });
  try {
    const members = async () => {
      const info = await nats.request(
        '$JS.API.STREAM.INFO.KV_aggregate-transport',
        JSON.stringify({ subjects_filter: '$KV.aggregate-transport.member.presence.>' }),
      );
      return Object.keys(info.json<{ state: { subjects?: object } }>().state.subjects ?? {}).length;
    };
    expect(await members()).toBe(2);
    for (const app of apps) await leave(app);
    expect(await members()).toBe(0);
  } finally {
    await nats.close();
  }
});
