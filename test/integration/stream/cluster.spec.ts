import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '#library/clock.js';
import { silentLog } from '#library/log.js';
import { startNatsCluster } from '#library/testing/nats/nats-cluster.js';
import { NatsWires } from '#library/transport/nats-wires.js';
import type { TopicOptions } from '#library/transport/options.js';
import { resolveOptions } from '#library/transport/resolve-options.js';
import { Connection } from '#library/stream/connection/connection.js';
import { JetStreamApi } from '#library/stream/api/jetstream-api.js';

const START_WITHIN_MS = 120_000;
const TEST_WITHIN_MS = 60_000;

describe('on three servers', () => {
  let cluster: Awaited<ReturnType<typeof startNatsCluster>>;
  const wires: NatsWires[] = [];

  beforeAll(async () => {
    cluster = await startNatsCluster();
  }, START_WITHIN_MS);

  afterAll(async () => {
    await Promise.all(wires.map((each) => each.close()));
    await cluster.stop();
  });

  function open(topic: string, options: TopicOptions) {
    const resolved = resolveOptions({ servers: [...cluster.urls], topics: { [topic]: options } });
    const ways = new NatsWires({ ...resolved, clock: systemClock, log: silentLog });
    wires.push(ways);
    return ways.open(resolved.topics.get(topic)!);
  }

  test(
    'replicas that start a group at once find leaders for all that was just made, and agree',
    async () => {
      const options = { stream: { replicas: 3 }, consume: { partitions: 4 } };
      const topics = await Promise.all([1, 2, 3].map(() => open('orders', options)));
      const groups = await Promise.all(topics.map((topic) => topic.openGroup('billing')));
      for (const { record } of groups) expect(record).toEqual(groups[0]!.record);
      const [first] = groups[0]!.partitions;
      const revision = await first!.leasePort.write({ owner: 'a', term: 1, ttlMs: 3_000, epoch: 1 }, 0);
      expect((await groups[1]!.partitions[0]!.leasePort.read()).revision).toBe(revision);
    },
    TEST_WITHIN_MS,
  );

  test(
    'parked events and positions with fewer replicas than their topic are refused',
    async () => {
      const topic = await open('grown', { stream: { replicas: 1 } });
      await topic.openGroup('billing');
      const connection = await Connection.open({ servers: [...cluster.urls] }, 'spec', silentLog);
      try {
        const api = new JetStreamApi(connection);
        for (const [stream, left] of [
          ['grown', /"grown_parked" to have num_replicas of at least 3, found 1/],
          ['grown_parked', /"grown_positions" to have num_replicas 3, found 1/],
        ] as const) {
          const { config } = await api.request<{ config: object }>(`STREAM.INFO.${stream}`);
          await api.request(`STREAM.UPDATE.${stream}`, { ...config, num_replicas: 3 });
          const starting = topic.openGroup('billing');
          await expect(starting).rejects.toMatchObject({ code: 'STREAM_MISMATCH' });
          await expect(starting).rejects.toThrow(left);
        }
      } finally {
        await connection.close();
      }
    },
    TEST_WITHIN_MS,
  );
});
