import { setTimeout as scheduled } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  type AggregatePublisher,
  type AggregateTransportOptions,
  type ConsumeOptions,
} from 'nestjs-aggregate-transport';
import { type NatsServer, OrderOracle, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { eventually } from '../../support/eventually.js';
import { publisherOf, startApp, readersOf } from '../../support/app.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { drawSeed } from '../../support/seeded.js';
import { randomOf } from '../harness/random.js';

// One consumer at a time, and it remembers what it has handled. So, besides order and completeness, the verdict says
// that nothing is handled twice unless a consumer crashes. A repeat would be an event that was settled.

const TOPIC = 'faulty';
const VERSIONS = ['2.15', '2.10'];
/** Shows what the library logs. */
const VERBOSE = process.env['FAULT_LOG'] !== undefined;
/** From the end of the faults until everything is handled. After six deaths in a row many events run alone first. */
const SETTLED_WITHIN_MS = 90_000;

interface Load {
  readonly aggregates: number;
  /** Events of one aggregate that are published and not yet handled, at most. */
  readonly ahead: number;
  readonly maxHandlerMs: number;
  readonly consume?: ConsumeOptions;
}

/** The lease outlasts every cut, however busy the machine is, so nothing may come twice. */
const STEADY: Load = { aggregates: 30, ahead: 10, maxHandlerMs: 5, consume: { leaseTtlMs: 20_000 } };

interface Consumer {
  readonly app: INestApplication;
  readonly proxy: TcpProxy;
  /** Handlers that run, as aggregate and number. */
  readonly running: Map<string, number>;
  /** What a crashed process does afterwards is not seen. */
  crashed: boolean;
}

/** A server, a consumer behind a proxy, a publisher beside it, and the judge of both. */
class Scene {
  readonly oracle = new OrderOracle();
  readonly seed: number;
  readonly random: () => number;
  #consumer: Consumer | undefined;
  readonly #crashed: Consumer[] = [];
  readonly #waiting = new Map<string, () => void>();
  readonly #handled = new Map<string, number>();
  readonly #published = new Map<string, number>();
  #readers = 0;
  #settledInMs = 0;
  #publishing = true;
  #writers: Promise<void>[] = [];

  private constructor(
    readonly server: NatsServer,
    readonly publisherApp: INestApplication,
    readonly load: Load,
  ) {
    this.seed = drawSeed(`${expect.getState().currentTestName}, nats-server ${server.version}`, 'FAULT_SEED');
    this.random = randomOf(this.seed);
  }

  static async open(version: string, load: Load): Promise<Scene> {
    const server = await startNatsServer({ version });
    const publisherApp = await startApp({
      options: { servers: server.url, topics: { [TOPIC]: {} } },
      publishers: [TOPIC],
      verbose: VERBOSE,
    });
    const scene = new Scene(server, publisherApp, load);
    await scene.startConsumer();
    return scene;
  }

  /** A call, because the answer changes during every wait. */
  isPublishing(): boolean {
    return this.#publishing;
  }

  get proxy(): TcpProxy {
    return this.#consumer!.proxy;
  }

  async startConsumer(): Promise<void> {
    const proxy = await TcpProxy.listen(this.server.port);
    const fate = { proxy, running: new Map<string, number>(), crashed: false };
    const app = await startApp({
      options: this.#optionsOf(proxy),
      controllers: [this.#handlerOf(fate)],
      verbose: VERBOSE,
    });
    this.#consumer = Object.assign(fate, { app });
  }

  /** Ends the consumer as a deployment would do it. */
  async stopConsumer(): Promise<void> {
    const consumer = this.#consumer;
    if (consumer === undefined) return;
    this.#readers += readersOf(consumer.app);
    this.#consumer = undefined;
    await consumer.app.close();
    await consumer.proxy.close();
  }

  /**
   * Ends the consumer as SIGKILL does (`reset`), or the death of its whole machine (`silent`: the server keeps
   * its connection and its open pull). What its handlers do from now on has no effect.
   */
  async crashConsumer(how: 'reset' | 'silent'): Promise<void> {
    const consumer = this.#consumer!;
    this.#readers += readersOf(consumer.app);
    this.#consumer = undefined;
    this.#crashed.push(consumer);
    consumer.crashed = true;
    for (const [aggregateId, n] of consumer.running) this.oracle.ended(aggregateId, n, false);
    if (how === 'reset') await consumer.proxy.close();
    else consumer.proxy.blackhole('both');
  }

  /** Waits until so many more events are handled: the consumer is at work, after any wait. */
  async flows(more = 1_000): Promise<void> {
    const from = this.oracle.verdict().handled;
    await eventually('the next events', () => this.oracle.verdict().handled > from + more);
  }

  /** Events handled more than once; the oracle itself counts how often a replay began. */
  get repeats(): number {
    let published = 0;
    for (const n of this.#published.values()) published += n;
    return Math.max(0, this.oracle.verdict().handled - published);
  }

  /** Readers made so far: a run with too few of them has proved nothing. */
  get readers(): number {
    return this.#readers + (this.#consumer === undefined ? 0 : readersOf(this.#consumer.app));
  }

  /** Publishes steadily until {@link settle}: each aggregate stays a few events ahead of its handler. */
  publish(): void {
    const publisher = publisherOf(this.publisherApp, TOPIC);
    for (let index = 0; index < this.load.aggregates; index++) {
      this.#writers.push(this.#write(publisher, `aggregate-${index}`));
    }
  }

  /** Ends the load and waits until every event is handled, or until it is clear that some never will be. */
  async settle(): Promise<void> {
    this.#publishing = false;
    for (const wake of this.#waiting.values()) wake();
    await Promise.all(this.#writers);
    const since = performance.now();
    while (!this.oracle.isComplete && performance.now() < since + SETTLED_WITHIN_MS) await scheduled(10);
    this.#settledInMs = Math.round(performance.now() - since);
  }

  async close(): Promise<void> {
    await Promise.all([this.stopConsumer(), ...this.#crashed.map(({ app }) => app.close())]);
    await Promise.all(this.#crashed.map(({ proxy }) => proxy.close()));
    await this.publisherApp.close();
    await this.server.stop();
    const { handled } = this.oracle.verdict();
    process.stdout.write(
      `nats-server ${this.server.version}, seed ${this.seed}: ${handled} handled, ${this.repeats} repeats, ` +
        `${this.#readers} readers, settled in ${this.#settledInMs} ms\n`,
    );
  }

  async #write(publisher: AggregatePublisher, aggregateId: string): Promise<void> {
    while (this.isPublishing()) {
      const n = this.oracle.published(aggregateId);
      this.#published.set(aggregateId, n);
      await publisher.publish({ aggregateId, type: 'Counted', payload: { n } });
      while (this.isPublishing() && n - (this.#handled.get(aggregateId) ?? 0) >= this.load.ahead) {
        await new Promise<void>((resolve) => this.#waiting.set(aggregateId, resolve));
      }
    }
  }

  #optionsOf(proxy: TcpProxy): AggregateTransportOptions {
    return {
      servers: proxy.url,
      group: 'test',
      topics: { [TOPIC]: { consume: { ...this.load.consume, retry: { firstDelayMs: 5 } } } },
      shutdown: { drainMs: 2_000 },
    };
  }

  #handlerOf(fate: Pick<Consumer, 'running' | 'crashed'>): Type {
    const { oracle, load, random } = this;
    const handled = (id: string, n: number): void => {
      this.#handled.set(id, n);
      this.#waiting.get(id)?.();
    };

    @Controller()
    class Handler {
      @AggregateHandler(TOPIC)
      async handle(@Payload() { n }: { n: number }, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
        if (hasCrashed(fate)) return;
        oracle.started(id, n);
        fate.running.set(id, n);
        await scheduled(random() * load.maxHandlerMs);
        if (hasCrashed(fate)) return;
        fate.running.delete(id);
        const fails = ctx.attempt === 1 && random() < 0.02;
        oracle.ended(id, n, !fails);
        if (fails) throw new Error('this attempt was drawn to fail');
        handled(id, n);
      }
    }
    return Handler;
  }
}

/** Asked again after every wait. */
function hasCrashed({ crashed }: Pick<Consumer, 'crashed'>): boolean {
  return crashed;
}

interface Proof {
  readonly load: Load;
  /** A run with fewer readers has proved nothing. */
  readonly readers: number;
  /** Who crashes or loses the lease leaves events that are handled and not settled; they come again. */
  readonly mayRepeat?: boolean;
  readonly faults: (scene: Scene) => Promise<void>;
}

async function survives(version: string, { load, readers, mayRepeat, faults }: Proof): Promise<void> {
  const scene = await Scene.open(version, load);
  try {
    scene.publish();
    await faults(scene);
    await scene.settle();
    const { handled, repeated, ...wrong } = scene.oracle.verdict();
    // The seed is compared too, so that a red test shows it.
    expect({ ...wrong, repeated: mayRepeat === true ? 0 : repeated, seed: scene.seed }).toEqual({
      violations: [],
      overlaps: [],
      lost: [],
      repeated: 0,
      seed: scene.seed,
    });
    expect(handled).toBeGreaterThan(1_000);
    expect(scene.readers).toBeGreaterThanOrEqual(readers);
  } finally {
    await scene.close();
  }
}

test.concurrent.each(VERSIONS)('on %s, order survives a connection cut every 300 ms', (version) =>
  survives(version, {
    load: STEADY,
    readers: 6,
    faults: async (scene) => {
      for (let cut = 0; cut < 12; cut++) {
        // Every other cut hits a consumer that has just recovered, the rest one that may still be at it.
        if (cut % 2 === 0) await scene.flows(100);
        await scheduled(200 + scene.random() * 200);
        scene.proxy.cut();
      }
    },
  }),
);

test.concurrent.each(VERSIONS)('on %s, order survives one-way black holes of 3 and 7.5 s', (version) =>
  survives(version, {
    load: { ...STEADY, consume: { leaseTtlMs: 3_000 } },
    readers: 3,
    // The longer hole outlasts the lease, and what is remembered goes with it.
    mayRepeat: true,
    faults: async (scene) => {
      const ways = scene.random() < 0.5 ? (['s2c', 'c2s'] as const) : (['c2s', 's2c'] as const);
      for (const [way, ms] of [[ways[0], 3_000] as const, [ways[1], 7_500] as const]) {
        await scene.flows();
        scene.proxy.blackhole(way);
        await scheduled(ms);
        scene.proxy.heal();
      }
      await scene.flows();
    },
  }),
);

test.concurrent.each(VERSIONS)('on %s, order survives a server that is killed six times', (version) =>
  survives(version, {
    load: STEADY,
    readers: 4,
    faults: async (scene) => {
      for (let kill = 0; kill < 6; kill++) {
        if (kill % 2 === 0) await scene.flows(100);
        await scheduled(300 + scene.random() * 300);
        await scene.server.kill();
        await scene.server.start();
      }
    },
  }),
);

test.concurrent.each(VERSIONS)('on %s, order survives a consumer that is replaced four times', (version) =>
  survives(version, {
    load: STEADY,
    readers: 5,
    faults: async (scene) => {
      for (let restart = 0; restart < 4; restart++) {
        await scene.flows(100);
        await scheduled(400 + scene.random() * 200);
        if (restart % 2 === 1) scene.proxy.cut();
        await scene.stopConsumer();
        await scene.startConsumer();
      }
      await scene.flows(100);
    },
  }),
);

test.concurrent.each(VERSIONS)('on %s, order survives cuts while 4 000 events wait in lanes', (version) =>
  survives(version, {
    load: { ...STEADY, aggregates: 100, ahead: 40, maxHandlerMs: 40 },
    readers: 5,
    faults: async (scene) => {
      for (let cut = 0; cut < 10; cut++) {
        if (cut % 2 === 0) await scene.flows(100);
        await scheduled(200 + scene.random() * 300);
        scene.proxy.cut();
      }
    },
  }),
);

test.concurrent.each(VERSIONS)('on %s, one cut costs one reader, however busy the handlers are', (version) =>
  survives(version, {
    load: STEADY,
    readers: 6,
    faults: async (scene) => {
      for (let cut = 1; cut <= 5; cut++) {
        await eventually('the reader after the last cut', () => scene.readers >= cut);
        await scene.flows(500);
        scene.proxy.cut();
      }
      await eventually('the reader after the last cut', () => scene.readers > 5);
      await scene.flows(500);
      // One at the start and one per cut.
      expect(scene.readers).toBe(6);
    },
  }),
);

test.concurrent.each(VERSIONS)(
  'on %s, order survives consumers that crash, with the server or alone',
  (version) =>
    survives(version, {
      load: { ...STEADY, ahead: 40, consume: { leaseTtlMs: 1_000 } },
      readers: 7,
      mayRepeat: true,
      faults: async (scene) => {
        for (let crash = 0; crash < 6; crash++) {
          const kind = (['alone', 'with the server', 'with its machine'] as const)[crash % 3];
          await scene.flows();
          await scheduled(scene.random() * 300);
          if (kind === 'with the server') await scene.server.kill();
          // Handlers continue, their positions do not arrive: the next consumer has many events to repeat.
          else scene.proxy.blackhole('c2s');
          await scheduled(50 + scene.random() * 50);
          await scene.crashConsumer(kind === 'with its machine' ? 'silent' : 'reset');
          if (kind === 'with the server') await scene.server.start();
          await scene.startConsumer();
        }
        await scheduled(300);
        expect(scene.repeats).toBeGreaterThan(500);
      },
    }),
);
