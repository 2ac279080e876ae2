import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { Child } from '../harness/child.js';
import { Journal } from '../harness/journal.js';
import { testBuild } from '../harness/test-build.js';
import type { DriverLine } from './journal-lines.js';
import type { Order, ProcessSetup, PublisherSetup } from './scenario.js';
import type { Servers } from './servers.js';
import { type BatchStep, WireTap } from './wire-tap.js';

export interface SlotOptions {
  readonly servers: Servers;
  readonly folder: string;
  readonly seed: number;
  readonly keys: number;
  readonly eventsPerSecond: number;
  readonly setup: PublisherSetup;
  readonly journal: Journal<DriverLine>;
  readonly sabotage: string | undefined;
}

const RESPAWN_AFTER_MS = 200;
/** A single server gets two ways to it, so that a publisher can leave one that is broken. */
const WAYS_TO_ONE_SERVER = 2;
const STOPPED_WITHIN_MS = 110_000;

/** The place of the publisher: its proxies stay, its process comes and goes. */
export class PublisherSlot {
  #child: Child | undefined;
  #lives = 0;
  #expected = true;
  #ready = Promise.resolve();
  #closed = false;
  /** A fault is under way that a second one would make meaningless. */
  busy = false;

  private constructor(
    readonly proxies: readonly TcpProxy[],
    private readonly tap: WireTap,
    private readonly options: SlotOptions,
  ) {}

  static async open(options: SlotOptions): Promise<PublisherSlot> {
    const tap = new WireTap(options.journal);
    const { nodes } = options.servers;
    const ports =
      nodes.length > 1
        ? nodes.map(({ port }) => port)
        : Array<number>(WAYS_TO_ONE_SERVER).fill(nodes[0]!.port);
    const proxies: TcpProxy[] = [];
    for (const port of ports) proxies.push(await TcpProxy.listen(port, tap));
    return new PublisherSlot(proxies, tap, options);
  }

  get running(): boolean {
    return this.#child?.running === true;
  }

  get lives(): number {
    return this.#lives;
  }

  journalOf(life: number): string {
    return join(this.options.folder, `publisher-${life}.jsonl`);
  }

  /** Starts the next life; resolves when it publishes, or when it ended before that. */
  async spawn(): Promise<void> {
    if (this.running || this.#closed) return this.#ready;
    const { folder, seed, keys, eventsPerSecond, setup, journal, sabotage } = this.options;
    const life = ++this.#lives;
    const process: ProcessSetup = {
      ...setup,
      ...{ seed, life, keys, eventsPerSecond },
      urls: this.proxies.map(({ url }) => url),
      journal: this.journalOf(life),
      earlier: Array.from({ length: life - 1 }, (_, index) => this.journalOf(index + 1)),
    };
    this.tap.life = life;
    const build = testBuild({ sabotage });
    const child = new Child('publisher/worker.js', {
      env: { FAULT_PUBLISHER: JSON.stringify(process), ...build.env },
      errors: join(folder, `publisher-${life}.err`),
      execArgv: build.execArgv,
    });
    this.#child = child;
    this.#expected = false;
    journal.write({ what: 'spawn', life, pid: child.pid });
    this.#ready = new Promise((resolve) => {
      child.onMessage(() => resolve());
      void child.exited.then((how) => {
        journal.write({ what: 'exit', life, how, expected: this.#expected });
        resolve();
        // It is started again, as an orchestrator does it; the oracle judges why it ended.
        if (!this.#expected) setTimeout(() => void this.spawn(), RESPAWN_AFTER_MS);
      });
    });
    return this.#ready;
  }

  tell(order: Order): void {
    if (this.running) this.#child?.send(order);
  }

  batchAt(step: BatchStep, withinMs: number): Promise<boolean> {
    return this.tap.batchAt(step, withinMs);
  }

  async kill(): Promise<void> {
    this.#expected = true;
    this.#child?.signal('SIGKILL');
    await this.#child?.exited;
  }

  freeze(): void {
    this.#child?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#child?.signal('SIGCONT');
  }

  heal(): void {
    for (const proxy of this.proxies) proxy.heal();
  }

  /** Every event gets its outcome, then the process ends; whether it did so in time. */
  async stop(): Promise<boolean> {
    if (!this.running) await this.spawn();
    const child = this.#child!;
    this.#expected = true;
    this.tell({ stop: true });
    const late = scheduled(STOPPED_WITHIN_MS, false, { ref: false });
    return Promise.race([child.exited.then((how) => how === 'code 0'), late]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#expected = true;
    this.#child?.signal('SIGKILL');
    await this.#child?.exited;
    for (const proxy of this.proxies) await proxy.close();
  }
}
