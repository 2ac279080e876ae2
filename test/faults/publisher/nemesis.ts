import { setTimeout as scheduled } from 'node:timers/promises';
import type { TcpProxy } from '../../support/tcp-proxy.js';
import { loopFaults } from '../harness/fault-loop.js';
import type { Journal } from '../harness/journal.js';
import { TOPIC } from '../consumer/scenario.js';
import type { DriverLine } from './journal-lines.js';
import { type FaultKind, type PlannedFault, planFault } from './nemesis-plan.js';
import type { BatchStep } from './wire-tap.js';
import type { PublisherSlot } from './publisher-slot.js';
import type { Servers } from './servers.js';

export interface NemesisOptions {
  readonly seed: number;
  readonly kinds: readonly FaultKind[];
  readonly keys: number;
  /**
   * Each fault comes at a step of a batch, of a long queue that is made for it: its events. 0: faults come as they
   * come.
   */
  readonly longQueue: number;
  readonly servers: Servers;
  readonly slot: PublisherSlot;
  readonly journal: Journal<DriverLine>;
}

/** What may not happen twice at once. */
type Resource = 'way' | 'server' | 'stream' | 'process';

const LEFT_WITHIN_MS = 12_000;
const LOOK_EVERY_MS = 20;
const BURST = 700;
const KILLED_BURST = 300;
const BATCH_WITHIN_MS = 400;
const BATCH_ATTEMPTS = 3;
/** Most often while the whole of it has no answer. */
const STEPS: readonly BatchStep[] = ['opening', 'opened', 'complete', 'complete', 'answered'];
/** Makes the step independent of what else the same number aims at. */
const STEP_GRAIN = 10_000;
const SLOW_STOP_MS = 90;
const SLOW_GO_MS = 15;
/** No subject of the topic's depth begins so, so nothing of ours is stored meanwhile. */
const ELSEWHERE = `elsewhere_${TOPIC}.>`;

/** Does what the plan says, counts it and writes it down. */
export class Nemesis {
  readonly counts = new Map<FaultKind, number>();
  readonly #taken = new Set<Resource>();
  #now: FaultKind | 'none' = 'none';

  constructor(private readonly options: NemesisOptions) {}

  get total(): number {
    return [...this.counts.values()].reduce((total, count) => total + count, 0);
  }

  get now(): string {
    return this.#now;
  }

  /** Faults for so long; resolves when the last one has ended. */
  async run(ms: number): Promise<void> {
    const { seed, kinds } = this.options;
    await loopFaults(
      ms,
      (tick) => planFault(seed, tick, kinds),
      (fault) => {
        this.#now = fault.kind;
        return this.#do(fault);
      },
    );
  }

  #do(fault: PlannedFault): Promise<void> {
    const { slot, servers } = this.options;
    const { kind, ms, aim } = fault;
    const key = `key-${Math.floor(aim * this.options.keys)}`;
    switch (kind) {
      case 'cut':
        return this.#with(fault, [], () => slot.proxies.forEach((proxy) => proxy.cut()));
      case 'refuse':
        return this.#with(fault, ['way'], async () => {
          await Promise.all(slot.proxies.map((proxy) => proxy.refuse(ms)));
        });
      case 'blackhole-c2s':
      case 'acks-lost':
      case 'blackhole-both':
      case 'lag':
        return this.#with(fault, ['way'], async () => {
          const direction = kind === 'acks-lost' ? 's2c' : kind === 'blackhole-both' ? 'both' : 'c2s';
          for (const proxy of slot.proxies) proxy.blackhole(direction);
          await scheduled(ms);
          slot.heal();
        });
      case 'half-open':
        return this.#with(fault, ['way'], () => this.#strand('both', ms));
      case 'late-copies':
        return this.#with(fault, ['way'], () => this.#strand('c2s', ms));
      case 'late-copies-full':
        // The first copy waits in the old connection while the second one meets a full stream.
        return this.#with(fault, ['way', 'stream'], async () => {
          await servers.fill();
          await this.#strand('c2s', ms, () => servers.free());
        });
      case 'server-kill':
        return this.#with(fault, ['server'], async () => {
          const node = this.#node(aim);
          await node.kill();
          await scheduled(ms);
          await node.start();
        });
      case 'server-freeze':
        return this.#with(fault, ['server'], async () => {
          const node = this.#node(aim);
          await node.freeze();
          await scheduled(ms);
          node.resume();
        });
      case 'slow-server':
        return this.#with(fault, ['server'], () => this.#slowDown(fault));
      case 'step-down':
        return this.#with(fault, [], async () => {
          await servers.stepDown();
          await scheduled(ms);
          await servers.stepDown();
        });
      case 'stream-full':
        return this.#with(fault, ['stream'], async () => {
          await servers.fill();
          await scheduled(ms);
          await servers.free();
        });
      case 'no-responders':
        // A life that begins meanwhile would refuse the stream.
        return this.#with(fault, ['stream', 'process'], async () => {
          const { subjects } = (await servers.info()).config as { subjects: string[] };
          await servers.update(() => ({ subjects: [ELSEWHERE] }));
          await scheduled(ms);
          await servers.update(() => ({ subjects }));
        });
      case 'oversize':
        return this.#with(fault, [], () => slot.tell({ oversize: key }));
      case 'burst':
        return this.#with(fault, [], () => slot.tell(aim < 0.5 ? { burst: BURST } : { burst: BURST, key }));
      case 'kill-in-burst':
        return this.#with(fault, ['process'], async () => {
          slot.tell({ burst: KILLED_BURST });
          await scheduled(aim * 40);
          await slot.kill();
          await scheduled(ms);
          await slot.spawn();
        });
      case 'freeze-publisher':
        return this.#with(fault, ['process'], async () => {
          slot.freeze();
          await scheduled(ms);
          slot.thaw();
        });
    }
  }

  /** Counts and writes down a fault, unless what it needs is broken already. */
  async #with(
    fault: PlannedFault,
    needs: readonly Resource[],
    action: () => Promise<void> | void,
  ): Promise<void> {
    if (needs.some((need) => this.#taken.has(need))) return;
    for (const need of needs) this.#taken.add(need);
    const { kind, ms } = fault;
    await this.#untilBatch(fault);
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.options.journal.write({ what: 'fault', kind, on: true, note: `${ms} ms` });
    await action();
    this.options.journal.write({ what: 'fault', kind, on: false });
    for (const need of needs) this.#taken.delete(need);
  }

  /** Waits for one step of a batch, which of them the plan says; or a moment, if none comes. */
  async #untilBatch({ aim }: PlannedFault): Promise<void> {
    const { longQueue, keys, slot } = this.options;
    if (longQueue === 0) return;
    const step = STEPS[Math.floor(aim * STEP_GRAIN) % STEPS.length]!;
    // Another key each time: one whose outcome is unknown takes nothing.
    for (let attempt = 0; attempt < BATCH_ATTEMPTS; attempt++) {
      slot.tell({
        burst: longQueue,
        key: `key-${Math.floor((aim + attempt / BATCH_ATTEMPTS) * keys) % keys}`,
      });
      if (await slot.batchAt(step, BATCH_WITHIN_MS)) return;
    }
  }

  /** Breaks the way in use only, until the publisher has left it; then what it holds arrives late. */
  async #strand(direction: 'c2s' | 'both', ms: number, left: () => Promise<void> = () => Promise.resolve()) {
    const { proxies } = this.options.slot;
    const used = proxies.find(({ size }) => size > 0);
    if (used === undefined) return left();
    used.blackhole(direction);
    const isLeft = (): boolean => proxies.some((proxy: TcpProxy) => proxy !== used && proxy.size > 0);
    const until = performance.now() + LEFT_WITHIN_MS;
    while (!isLeft() && performance.now() < until) await scheduled(LOOK_EVERY_MS);
    await scheduled(ms);
    await left();
    await scheduled(ms);
    used.heal();
  }

  async #slowDown({ ms, aim }: PlannedFault): Promise<void> {
    const node = this.#node(aim);
    this.options.slot.tell({ burst: BURST });
    const until = performance.now() + ms;
    while (performance.now() < until) {
      await node.freeze();
      await scheduled(SLOW_STOP_MS);
      node.resume();
      await scheduled(SLOW_GO_MS);
    }
  }

  #node(aim: number) {
    const { nodes } = this.options.servers;
    return nodes[Math.floor(aim * nodes.length)]!;
  }
}
