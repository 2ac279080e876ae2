import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { silentLog } from '#library/log.js';
import { Connection } from '#library/stream/api/connection.js';
import {
  type ConsumerConfig,
  consumerConfigOf,
  msOf,
  streamConfigOf,
} from '#library/stream/api/configuration.js';
import { JetStreamApi } from '#library/stream/api/jetstream-api.js';
import { adjustConsumer, writeConsumer } from '#library/stream/api/provision.js';
import { DEFAULTS } from '#library/transport/options.js';
import { serverForAll } from '../support/server.js';

// What a partition's owner does at its takeover with a consumer that somebody has changed.

const TOPIC = 'settings';
const server = serverForAll();
let connection: Connection;
let api: JetStreamApi;
let wanted: ConsumerConfig;
let made: ConsumerConfig;

beforeAll(async () => {
  connection = await Connection.open({ servers: server().url }, 'settings', silentLog);
  api = new JetStreamApi(connection);
  await api.request(`STREAM.CREATE.${TOPIC}`, streamConfigOf(TOPIC, DEFAULTS.stream));
});

afterAll(() => connection.close());

beforeEach(async () => {
  const address = {
    topic: TOPIC,
    group: `g${Math.floor(performance.now() * 1_000)}`,
    partition: 0,
    partitions: 1,
  };
  wanted = consumerConfigOf(address, DEFAULTS.consume, 'all');
  made = await writeConsumer(api, TOPIC, wanted, 'create');
});

async function found(): Promise<ConsumerConfig> {
  const info = await api.request<{ config: ConsumerConfig }>(`CONSUMER.INFO.${TOPIC}.${wanted.name}`);
  return info.config;
}

test('what may change is set to the options of the owner, and read back', async () => {
  const changed = await writeConsumer(api, TOPIC, { ...made, ack_wait: 1, max_ack_pending: 7 }, 'update');
  await adjustConsumer(api, TOPIC, changed, wanted);
  const { ack_wait: ackWait, max_ack_pending: maxAckPending } = await found();
  expect([msOf(ackWait), maxAckPending]).toEqual([
    DEFAULTS.consume.ackWaitMs,
    DEFAULTS.consume.maxAckPending,
  ]);
});

test.each<Partial<ConsumerConfig>>([
  { max_deliver: 3 },
  { filter_subject: `${TOPIC}.0.>` },
  { max_deliver: 3, backoff: [1_000_000_000, 2_000_000_000] },
])('a change that breaks the order is refused, with what was expected and found: %j', async (change) => {
  const changed = await writeConsumer(api, TOPIC, { ...made, ...change }, 'update');
  await expect(adjustConsumer(api, TOPIC, changed, wanted)).rejects.toThrow(
    /^expected consumer ".*" to have (max_deliver|filter_subject) .*, found .*; change/,
  );
  await expect(adjustConsumer(api, TOPIC, changed, wanted)).rejects.toMatchObject({
    code: 'CONSUMER_MISMATCH',
  });
});

test('a server that makes something else of it than it was asked for is named', async () => {
  // Stands for an account limit: the server may answer an update with a smaller value.
  const limited = {
    request: async (call: string, body: { config: ConsumerConfig }) => {
      const answer = await api.request<{ config: ConsumerConfig }>(call, {
        ...body,
        config: { ...body.config, max_ack_pending: 5 },
      });
      return answer;
    },
  } as unknown as JetStreamApi;
  await expect(adjustConsumer(limited, TOPIC, { ...made, max_ack_pending: 7 }, wanted)).rejects.toThrow(
    'to have max_ack_pending 10000, found 5',
  );
});
