import { setTimeout as scheduled } from 'node:timers/promises';
import { OrderOracle } from 'nestjs-aggregate-transport/testing';
import { LongScene, type Replica, TOPIC } from './long-scene.js';
import { PositionReader } from '../harness/position-reader.js';
import { SettledLog } from './settled-log.js';

export interface HungOptions {
  readonly forMs: number;
  readonly eventsPerSecond: number;
  /** From one lost connection, or lost lease, to the next. */
  readonly faultEveryMs: number;
  /** Longer is a finding. */
  readonly takeoverBoundMs: number;
  readonly serverVersion: string;
  readonly say: (text: string) => void;
  /** The load lasts up to five times as long, until there were so many takeovers, and one of them far behind. */
  readonly leastTakeovers?: number;
  /** In milliseconds; measures the takeovers. */
  readonly now?: () => number;
}

/**
 * How long events that had never been started waited after a connection was cut, or after another owner had claimed the
 * position. What was published meanwhile queues behind them and measures the speed of this process instead.
 */
export interface Takeover {
  readonly reason: 'reconnect' | 'lease';
  readonly ms: number;
}

export interface HungResult {
  readonly serverVersion: string;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly takeovers: readonly Takeover[];
  /** Claims whose first unsettled event lay more than 20 000 sequences below the highest settled one. */
  readonly farBehind: number;
  /** The farthest an unsettled event lay below the highest settled one. */
  readonly farthest: number;
  /** Everything that broke a promise. */
  readonly findings: readonly string[];
}

const GROUP = 'hung';
const HUNG = 'hung';
const HUNG_EVENTS = 3;
const KEYS = 1_000;
const LEASE_TTL_MS = 1_500;
const TICK_MS = 10;
/** While the publisher cannot get rid of its events, it is given no more. */
const MAX_PENDING = 4_000;
const DONE_WITHIN_MS = 60_000;
const SAY_EVERY_MS = 10_000;
const EXTRA_EVENTS = 100_000;
/** How much longer a run may take to have enough behind it. */
const MOST_TIMES_LONGER = 4;

/**
 * One aggregate's handler hangs for the whole run, and many others continue beside it. So its events fall ever farther
 * behind, while connections and leases are lost. New events must not wait for long, however much lies above the hung
 * one. Nothing settled may come again. At the end the aggregate continues in order.
 */
export async function runHung(options: HungOptions): Promise<HungResult> {
  const scene = await LongScene.open(options.serverVersion);
  try {
    return await new HungRun(scene, options).run();
  } finally {
    await scene.close();
  }
}

class HungRun {
  readonly #oracle = new OrderOracle();
  readonly #findings: string[] = [];
  readonly #settled: SettledLog;
  readonly #hungIn = new Set<Replica>();
  readonly #hungEnds: number[] = [];
  #release: () => void = () => undefined;
  readonly #released = new Promise<void>((resolve) => {
    this.#release = resolve;
  });
  readonly #takeovers: Takeover[] = [];
  #awaited:
    { readonly reason: Takeover['reason']; readonly since: number; readonly after: number } | undefined;
  readonly #now: () => number;
  #highestStarted = 0;
  #events = 0;

  constructor(
    private readonly scene: LongScene,
    private readonly options: HungOptions,
  ) {
    const events = (options.forMs / 1_000) * options.eventsPerSecond;
    this.#now = options.now ?? (() => performance.now());
    const maxSequence = (1 + MOST_TIMES_LONGER) * events + EXTRA_EVENTS;
    this.#settled = new SettledLog(scene.nats, GROUP, maxSequence, () => this.#await('lease'));
  }

  async run(): Promise<HungResult> {
    const { scene } = this;
    for (let n = 1; n <= HUNG_EVENTS; n++) await scene.publish(HUNG, n);
    for (let index = 0; index < 2; index++) {
      await scene.startReplica(GROUP, (replica, event) => this.#handle(replica, event), {
        leaseTtlMs: LEASE_TTL_MS,
        retry: { firstDelayMs: 5 },
      });
    }
    const startedAt = performance.now();
    await this.#loadWithFaults(startedAt + this.options.forMs);
    const seconds = (performance.now() - startedAt) / 1_000;
    await this.#finish();
    return {
      serverVersion: scene.server.version,
      events: this.#events,
      eventsPerSecond: Math.round(this.#events / seconds),
      takeovers: this.#takeovers,
      farBehind: this.#settled.farBehind,
      farthest: this.#settled.farthest,
      findings: [...this.#findings, ...this.#verdict()],
    };
  }

  async #handle(replica: Replica, { key, n, at }: { key: string; n: number; at: number }): Promise<void> {
    this.#noteStart(at);
    if (this.#settled.wasSettled(at, replica.leaseAt)) {
      this.#findings.push(`${key}: ${n} (sequence ${at}) was settled, and started again`);
    }
    if (key !== HUNG) {
      this.#oracle.started(key, n);
      this.#oracle.ended(key, n, true);
      return;
    }
    if (this.#hungIn.has(replica))
      this.#findings.push(`${key}: ${n} started beside another of its aggregate`);
    this.#hungIn.add(replica);
    await this.#released;
    this.#hungIn.delete(replica);
    this.#hungEnds.push(n);
  }

  /** A slow machine takes longer for it. */
  #isEnough(): boolean {
    const { leastTakeovers } = this.options;
    if (leastTakeovers === undefined) return true;
    return this.#settled.farBehind > 0 && this.#takeovers.length >= leastTakeovers;
  }

  async #loadWithFaults(until: number): Promise<void> {
    const { eventsPerSecond, faultEveryMs, forMs, say } = this.options;
    const longest = until + MOST_TIMES_LONGER * forMs;
    let last = performance.now();
    let owed = 0;
    let faults: Promise<void> = Promise.resolve();
    let nextFault = last + faultEveryMs;
    let nextWord = last + SAY_EVERY_MS;
    for (let fault = 0; performance.now() < (this.#isEnough() ? until : longest);) {
      const now = performance.now();
      owed += ((now - last) / 1_000) * eventsPerSecond;
      last = now;
      for (; owed >= 1; owed--) if (this.scene.pending < MAX_PENDING) this.#publish();
      if (now >= nextFault) {
        nextFault = now + faultEveryMs;
        faults = this.#fault(fault++);
      }
      if (now >= nextWord) {
        nextWord = now + SAY_EVERY_MS;
        say(
          `hung: ${this.#events} events, ${this.#settled.farthest} behind, ${this.#takeovers.length} takeovers`,
        );
      }
      await scheduled(TICK_MS);
    }
    await faults;
  }

  #publish(): void {
    const key = `key-${this.#events++ % KEYS}`;
    const n = this.#oracle.published(key);
    this.scene
      .publish(key, n)
      .catch((error: unknown) => this.#findings.push(`${key}: ${n}: ${String(error)}`));
  }

  /** A lost connection, or one that carries nothing for longer than the lease, by turns. */
  async #fault(index: number): Promise<void> {
    const owner = this.scene.replicas.find(({ isOwner }) => isOwner);
    if (index % 2 === 0) {
      owner?.proxy.cut();
      this.#await('reconnect');
      return;
    }
    owner?.proxy.blackhole('both');
    await scheduled(LEASE_TTL_MS + 500);
    owner?.proxy.heal();
  }

  async #finish(): Promise<void> {
    await this.#until('every other event is handled', () => this.#oracle.isComplete);
    this.#release();
    await this.#until('the aggregate that hung continues', () => this.#hungEnds.includes(HUNG_EVENTS));
    const positions = new PositionReader(this.scene.nats, TOPIC, GROUP);
    await this.#until('everything is settled', () => positions.isSettled());
  }

  async #until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const until = performance.now() + DONE_WITHIN_MS;
    while (!(await holds())) {
      if (performance.now() > until) {
        this.#findings.push(`expected that ${what} within ${DONE_WITHIN_MS} ms, but it was not so`);
        return;
      }
      await scheduled(TICK_MS);
    }
  }

  /** From now until the first start of an event that has not been started before. */
  #await(reason: Takeover['reason']): void {
    this.#awaited = { reason, since: this.#now(), after: this.#highestStarted };
  }

  #noteStart(at: number): void {
    this.#highestStarted = Math.max(this.#highestStarted, at);
    const awaited = this.#awaited;
    if (awaited === undefined || at <= awaited.after) return;
    this.#awaited = undefined;
    this.#takeovers.push({ reason: awaited.reason, ms: Math.round(this.#now() - awaited.since) });
  }

  #verdict(): string[] {
    const { violations, overlaps, lost } = this.#oracle.verdict();
    const slow = this.#takeovers.filter(({ ms }) => ms >= this.options.takeoverBoundMs);
    const order = this.#hungEnds.filter((n) => n > 1);
    const expected = Array.from({ length: HUNG_EVENTS - 1 }, (_, index) => index + 2);
    return [
      ...[...violations, ...overlaps, ...lost].map(String),
      ...slow.map(({ reason, ms }) => `new events waited ${ms} ms after a ${reason}`),
      ...(order.join() === expected.join()
        ? []
        : [`${HUNG}: ended in the order ${this.#hungEnds.join(', ')}`]),
    ];
  }
}
