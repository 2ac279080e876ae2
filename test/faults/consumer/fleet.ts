import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { Child } from '../harness/child.js';
import type { Journal, ParentLine } from '../harness/journal.js';
import { testBuild } from '../harness/test-build.js';
import type { ConsumerSetup, WorkerMessage, WorkerSetup } from './scenario.js';

export interface FleetOptions {
  readonly size: number;
  /** Starts no process yet. */
  readonly isIdle?: boolean;
  /** Replica i talks to the server behind port i, and begins again at the first one when they run out. */
  readonly natsPorts: readonly number[];
  readonly folder: string;
  readonly effectSocket: string;
  readonly onceFolder: string;
  readonly consumers: ConsumerSetup;
  readonly journal: Journal<ParentLine>;
  readonly sabotage: string | undefined;
  /** What the processes of one place are configured with instead, by turns: an option that changes between owners. */
  readonly variants?: readonly Partial<ConsumerSetup>[] | undefined;
}

export interface SpawnOptions {
  readonly setup?: Partial<ConsumerSetup>;
  /** `kill:<step>#<n>` or `freeze:<step>#<n>`. */
  readonly stopAt?: string;
}

const RESPAWN_AFTER_MS = 200;

/** A place for one replica: its proxy stays, its process comes and goes. */
export class Slot {
  #child: Child | undefined;
  #count = 0;
  #expected = true;
  #ready = Promise.resolve();
  #closed = false;
  /** A fault is under way here; a second one would make the first one's end meaningless. */
  busy = false;

  constructor(
    readonly index: number,
    readonly proxy: TcpProxy,
    private readonly options: FleetOptions,
    private readonly held: (partition: number, epoch: number) => void,
  ) {}

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The name of the process that runs here, or ran here last. */
  get worker(): string {
    return `worker-${this.index}-${this.#count}`;
  }

  get isFrozen(): boolean {
    return this.running && / T /.test(readFileSync(`/proc/${this.pid}/stat`, 'utf8'));
  }

  get running(): boolean {
    return this.#child?.running === true;
  }

  /** Starts a process here; resolves when its handlers are registered, or when it ended before that. */
  async spawn(options: SpawnOptions = {}): Promise<void> {
    if (this.running || this.#closed) return this.#ready;
    const { folder, effectSocket, onceFolder, consumers, journal, sabotage, variants = [] } = this.options;
    this.#count++;
    const { worker } = this;
    const setup: WorkerSetup = {
      ...consumers,
      ...variants[(this.index + this.#count - 1) % variants.length],
      ...options.setup,
      url: this.proxy.url,
      journal: join(folder, `${worker}.jsonl`),
      effectSocket,
      onceFolder,
    };
    const build = testBuild({ sabotage, stopAt: options.stopAt });
    const child = new Child('consumer/worker.js', {
      env: { FAULT_WORKER: JSON.stringify(setup), ...build.env },
      errors: join(folder, `${worker}.err`),
      execArgv: build.execArgv,
    });
    this.#child = child;
    this.#expected = false;
    journal.write({ what: 'spawn', slot: this.index, worker, pid: child.pid });
    this.#ready = new Promise((resolve) => {
      child.onMessage((message) => {
        const told = message as WorkerMessage;
        if ('ready' in told) resolve();
        else this.held(told.held.partition, told.held.epoch);
      });
      void child.exited.then((how) => {
        if (options.stopAt?.startsWith('kill:') === true && how === 'SIGKILL') this.#expected = true;
        journal.write({ what: 'exit', slot: this.index, worker, how, expected: this.#expected });
        resolve();
        // A replica that ends by itself is started again, as an orchestrator does it; the oracle judges why it ended.
        if (!this.#expected) setTimeout(() => void this.spawn(), RESPAWN_AFTER_MS);
      });
    });
    return this.#ready;
  }

  async kill(): Promise<void> {
    this.#expected = true;
    this.#child?.signal('SIGKILL');
    await this.#child?.exited;
  }

  /** Ends the process as a deployment does. */
  async stop(): Promise<void> {
    this.#expected = true;
    await this.#child?.end();
  }

  freeze(): void {
    this.#child?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#child?.signal('SIGCONT');
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.proxy.heal();
    await this.stop();
    await this.proxy.close();
  }
}

/** All replicas of the judged service, each behind a proxy of its own. */
export class Fleet {
  readonly slots: Slot[] = [];
  readonly #owners = new Map<number, { slot: number; epoch: number }>();

  static async start(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet();
    for (let index = 0; index < options.size; index++) {
      const proxy = await TcpProxy.listen(options.natsPorts[index % options.natsPorts.length] ?? 0);
      const held = (partition: number, epoch: number): void => fleet.#held(index, partition, epoch);
      fleet.slots.push(new Slot(index, proxy, options, held));
    }
    if (options.isIdle !== true) await Promise.all(fleet.slots.map((slot) => slot.spawn()));
    return fleet;
  }

  /** The slot whose process last said that it holds the partition's lease. */
  ownerOf(partition: number): Slot | undefined {
    const owner = this.#owners.get(partition);
    return owner === undefined ? undefined : this.slots[owner.slot];
  }

  epochOf(partition: number): number {
    return this.#owners.get(partition)?.epoch ?? 0;
  }

  async close(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.close()));
  }

  #held(slot: number, partition: number, epoch: number): void {
    if (epoch > this.epochOf(partition)) this.#owners.set(partition, { slot, epoch });
  }
}
