import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { connect, type NatsConnection, type StreamState } from 'nats';
import { systemClock } from '#library/clock.js';
import { AggregateTransportError } from '#library/errors.js';
import { silentLog } from '#library/log.js';
import { jsonCodec } from '#library/message/codec.js';
import type { PublishReceipt } from '#library/message/event.js';
import { prepareEvent } from '#library/message/outgoing/prepare-event.js';
import { Sequencer } from '#library/publisher/sequencer.js';
import { batchObstacle, hasAtomicBatches } from '#library/stream/wires/atomic-batches.js';
import type { StreamOptions } from '#library/stream/api/configuration.js';
import { Connection } from '#library/stream/connection/connection.js';
import { JetStreamApi } from '#library/stream/api/jetstream-api.js';
import { provisionStream } from '#library/stream/api/provision.js';
import { PublishWire } from '#library/stream/wires/publish-wire.js';
import { startNatsCluster } from '#library/testing/nats/nats-cluster.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const server = serverForAll();
const EVENTS = 3_000;

type Outcome = PublishReceipt | string;

/** One topic per test, published to through a proxy. */
class Rig {
  readonly topic = `batching-${randomUUID().slice(0, 8)}`;
  readonly outcomes: Outcome[] = [];
  readonly calls: Promise<unknown>[] = [];

  private constructor(
    readonly proxy: TcpProxy,
    readonly connection: Connection,
    /**
     * The connection that the test itself uses to change and read the stream. A server that dies between its greeting
     * and its first answer leaves the client waiting for its whole `timeout`, 20 s by default.
     */
    readonly beside: NatsConnection,
  ) {}

  sequencer!: Sequencer;

  static async open(
    options: Partial<StreamOptions> = {},
    changes: object = {},
    { port, url }: { port: number; url: string } = server(),
  ): Promise<Rig> {
    const proxy = await TcpProxy.listen(port);
    const connection = await Connection.open(
      { servers: proxy.url, pingInterval: 500, maxPingOut: 2 },
      'batching',
      silentLog,
    );
    const rig = new Rig(
      proxy,
      connection,
      await connect({ servers: url, timeout: 1_000, reconnectTimeWait: 50, maxReconnectAttempts: -1 }),
    );
    const api = new JetStreamApi(connection);
    const { topic } = rig;
    const request = {
      topic,
      provision: 'ensure' as const,
      options: {
        storage: 'file' as const,
        maxBytes: 1 << 30,
        maxMessages: 1_000_000,
        maxAgeMs: 0,
        replicas: 1,
        duplicateWindowMs: 120_000,
        discard: 'old' as const,
        ...options,
      },
      explicit: new Set<keyof StreamOptions>(),
      serverVersion: connection.serverVersion,
    };
    await provisionStream(api, request);
    await rig.changeStream(changes);
    const { config: stream } = await provisionStream(api, request);
    rig.sequencer = new Sequencer({
      topic,
      connector: { connectPublisher: (listener) => new PublishWire(connection, api, topic, listener) },
      maxInFlight: 2_048,
      maxPending: 100_000,
      giveUpAfterMs: 60_000,
      duplicateWindowMs: 120_000,
      batching: {
        maxBatch: 200,
        maxOpenBatches: 4,
        obstacle: batchObstacle(stream, connection.serverVersion),
      },
      clock: systemClock,
      log: silentLog,
    });
    return rig;
  }

  async changeStream(changes: object): Promise<void> {
    const manager = await this.beside.jetstreamManager();
    const { config } = await manager.streams.info(this.topic);
    await manager.streams.update(this.topic, { ...config, ...changes });
  }

  publish(n: number, aggregateId = 'hot', filler = ''): void {
    const event = prepareEvent(
      { aggregateId, type: 'Counted', eventId: `${n}`, payload: { n, filler } },
      { topic: this.topic, codec: jsonCodec, maxPayloadBytes: 1 << 20, wallMs: Date.now() },
    );
    const index = this.calls.length;
    this.calls.push(
      this.sequencer.publish(event).then(
        (receipt) => (this.outcomes[index] = receipt),
        (error: unknown) =>
          (this.outcomes[index] = error instanceof AggregateTransportError ? error.code : String(error)),
      ),
    );
  }

  publishAll(count = EVENTS): void {
    for (let n = 1; n <= count; n++) this.publish(n);
  }

  /** Undefined while a server that has just started has not loaded its streams. */
  async #look(): Promise<StreamState | undefined> {
    try {
      const manager = await this.beside.jetstreamManager();
      return (await manager.streams.info(this.topic)).state;
    } catch {
      return undefined;
    }
  }

  /** The stored events, read without the library. */
  async stored(): Promise<{ n: number; sequence: number }[]> {
    let state: StreamState | undefined;
    await eventually(
      'the stream, by the second connection',
      async () => (state = await this.#look()) !== undefined,
    );
    const stored: { n: number; sequence: number }[] = [];
    if (state === undefined || state.messages === 0) return stored;
    const consumer = await this.beside.jetstream().consumers.get(this.topic);
    for await (const message of await consumer.consume()) {
      const { payload } = message.json<{ payload: { n: number } }>();
      stored.push({ n: payload.n, sequence: message.seq });
      if (message.seq >= state.last_seq) break;
    }
    return stored;
  }

  /** Waits for every outcome, then checks call order, no copy, no hole, and the sequence of every receipt. */
  async verdict(count = EVENTS): Promise<void> {
    await Promise.all(this.calls);
    const stored = await this.stored();
    expect(stored.map(({ n }) => n)).toEqual(Array.from({ length: count }, (_, index) => index + 1));
    const told = this.outcomes.slice(0, count).map((outcome) => (outcome as PublishReceipt).sequence);
    expect(told).toEqual(stored.map(({ sequence }) => sequence));
  }

  get batches(): number {
    const { batching } = this.sequencer;
    return batching.on ? batching.batches : -1;
  }

  async close(): Promise<void> {
    this.sequencer.close();
    await this.connection.close();
    await this.proxy.close();
    const manager = await this.beside.jetstreamManager();
    await manager.streams.delete(this.topic);
    await this.beside.close();
  }
}

describe('batching on a real server', () => {
  let rig: Rig | undefined;
  let able = false;
  beforeEach(() => {
    rig = undefined;
    able = hasAtomicBatches(server().version);
  });
  afterEach(() => rig?.close());

  /** On a server without atomic batches everything else must hold, too. */
  const expectBatches = (made: Rig): void => {
    expect(made.sequencer.batching.on).toBe(able);
    if (able) expect(made.batches).toBeGreaterThan(0);
  };

  test('stores a hot queue in batches beside other aggregates, with exact receipts', async () => {
    rig = await Rig.open();
    rig.publishAll();
    for (let n = 1; n <= 500; n++) rig.publish(n, `other-${n % 7}`);
    await Promise.all(rig.calls);
    const stored = await rig.stored();
    const places = new Map(rig.outcomes.map((outcome, call) => [(outcome as PublishReceipt).sequence, call]));
    expect(places.size).toBe(EVENTS + 500);
    const hot = stored.filter(({ sequence }) => (places.get(sequence) ?? EVENTS) < EVENTS);
    expect(hot.map(({ n }) => n)).toEqual(Array.from({ length: EVENTS }, (_, index) => index + 1));
    expect(rig.outcomes.every((outcome) => !(outcome as PublishReceipt).duplicate)).toBe(true);
    expectBatches(rig);
  });

  test('stores everything in order if connections are cut repeatedly', async () => {
    rig = await Rig.open();
    rig.publishAll();
    for (const share of [0.1, 0.3, 0.5, 0.7]) {
      await eventually('progress', () => rig!.sequencer.published > share * EVENTS);
      rig.proxy.cut();
    }
    await rig.verdict();
    expectBatches(rig);
  });

  test('stores everything in order if the server is killed and restarted twice', async () => {
    if (server().external) return;
    rig = await Rig.open();
    rig.publishAll();
    for (const share of [0.2, 0.6]) {
      await eventually('progress', () => rig!.sequencer.published > share * EVENTS);
      await server().kill();
      await server().start();
    }
    await rig.verdict();
    expectBatches(rig);
  });

  test.each(['s2c', 'c2s'] as const)(
    'stores everything in order if no byte passes %s for a while and held bytes arrive late',
    async (way) => {
      rig = await Rig.open();
      rig.publishAll();
      await eventually('progress', () => rig!.sequencer.published > 0.3 * EVENTS);
      rig.proxy.blackhole(way);
      // The client abandons the half-open connection, and the next one hangs, too.
      await eventually('disconnect', () => !rig!.connection.connected);
      rig.proxy.heal();
      await rig.verdict();
      expectBatches(rig);
    },
  );

  test('rejects an event that the stream refuses, and stores no event after it', async () => {
    rig = await Rig.open({}, { max_msg_size: 4_096 });
    for (let n = 1; n <= 1_000; n++) rig.publish(n, 'hot', n === 500 ? 'x'.repeat(5_000) : '');
    await rig.verdict(499);
    expect(rig.outcomes[499]).toBe('PUBLISH_REJECTED');
    expect(new Set(rig.outcomes.slice(500))).toEqual(new Set(['PREDECESSOR_REJECTED']));
  });

  test('fills a full stream one by one, refuses the rest, and stores later events when it has room again', async () => {
    rig = await Rig.open({ maxMessages: 1_234, discard: 'new' });
    rig.publishAll();
    await rig.verdict(1_234);
    expect(rig.outcomes[1_234]).toBe('PUBLISH_REJECTED');
    expect(new Set(rig.outcomes.slice(1_235))).toEqual(new Set(['PREDECESSOR_REJECTED']));
    await rig.changeStream({ max_msgs: 1_000_000 });
    rig.publish(EVENTS + 1);
    await Promise.all(rig.calls);
    expect(rig.outcomes.at(-1)).toMatchObject({ sequence: 1_235, duplicate: false });
    expectBatches(rig);
  });

  test('reports events that were stored before as duplicates, with their sequences', async () => {
    rig = await Rig.open();
    rig.publishAll(1_000);
    await rig.verdict(1_000);
    const first = rig.outcomes.splice(0) as PublishReceipt[];
    rig.calls.length = 0;
    for (let n = 801; n <= 2_000; n++) rig.publish(n);
    await Promise.all(rig.calls);
    expect(rig.outcomes.slice(0, 200)).toEqual(
      first.slice(800).map((receipt) => ({ ...receipt, duplicate: true })),
    );
    expect((await rig.stored()).map(({ n }) => n)).toEqual(
      Array.from({ length: 2_000 }, (_, index) => index + 1),
    );
  });

  test('turns batching off with a reason if the stream was made without allow_atomic', async () => {
    rig = await Rig.open({}, { allow_atomic: false });
    rig.publishAll();
    await rig.verdict();
    expect(rig.sequencer.batching).toEqual({
      on: false,
      reason: able
        ? 'the stream was made without allow_atomic'
        : `nats-server ${server().version} is older than 2.12.1`,
    });
  });

  test('turns batching off if allow_atomic is removed while events are under way', async () => {
    rig = await Rig.open();
    rig.publishAll();
    await eventually('progress', () => rig!.sequencer.published > 0.2 * EVENTS);
    await rig.changeStream({ allow_atomic: false });
    await rig.verdict();
    expect(rig.sequencer.batching.on).toBe(false);
  });
});

/** A new cluster refuses a replicated stream until its leader knows every server. */
async function takesThreeReplicas(url: string): Promise<boolean> {
  const nats = await connect({ servers: url });
  try {
    const manager = await nats.jetstreamManager();
    await manager.streams.add({ name: 'probe', subjects: ['probe'], num_replicas: 3 });
    return await manager.streams.delete('probe');
  } catch {
    return false;
  } finally {
    await nats.close();
  }
}

/** Fails while there is no leader, so the caller repeats it. */
async function stepDown({ beside, topic }: Rig): Promise<boolean> {
  try {
    await beside.request(`$JS.API.STREAM.LEADER.STEPDOWN.${topic}`, '', { timeout: 1_000 });
    return true;
  } catch {
    return false;
  }
}

test('stores in call order, once, on three replicas whose leader steps down repeatedly', async () => {
  if (server().external) return;
  const cluster = await startNatsCluster(3);
  let rig: Rig | undefined;
  try {
    await eventually('three servers that know each other', () => takesThreeReplicas(cluster.urls[0]!));
    rig = await Rig.open({ replicas: 3 }, {}, cluster.servers[0]);
    const { sequencer } = rig;
    rig.publishAll();
    for (const share of [0.1, 0.3, 0.5, 0.7]) {
      await eventually('progress', () => sequencer.published > share * EVENTS);
      await eventually('a leader that steps down', () => stepDown(rig!));
    }
    await rig.verdict();
    if (sequencer.batching.on) expect(rig.batches).toBeGreaterThan(0);
  } finally {
    await rig?.close();
    await cluster.stop();
  }
}, 60_000);
