import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SabotagedRule } from '#library/sabotage.js';
import { eventually } from '../../support/eventually.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { Child } from '../harness/child.js';
import { testBuild } from '../harness/test-build.js';
import { SETUP_VARIABLE, type WorkerMessage, type WorkerSetup } from './setup.js';

export interface SpawnOptions {
  /** `kill:<step>#<n>` or `freeze:<step>#<n>`. */
  readonly stopAt?: string | undefined;
  readonly sabotage?: SabotagedRule | undefined;
  /** What this replica is configured with instead. */
  readonly setup?: Partial<WorkerSetup>;
}

const READY_WITHIN_MS = 90_000;

/** A replica, behind a proxy of its own. */
export class Worker {
  readonly #held = new Set<number>();
  #ready = false;
  /** When it last took a lease; 0 if it never did. */
  lastHeldAt = 0;

  constructor(
    readonly name: string,
    readonly child: Child,
    readonly proxy: TcpProxy,
  ) {
    child.onMessage((message) => {
      const told = message as WorkerMessage;
      if ('ready' in told) this.#ready = true;
      else {
        this.#held.add(told.held);
        this.lastHeldAt = performance.now();
      }
    });
  }

  async ready(): Promise<void> {
    await eventually(`${this.name} to be ready`, () => this.#ready || !this.child.running, READY_WITHIN_MS);
  }

  /** Resolves when it has held the lease of a partition, or has ended. */
  async holds(partition = 0): Promise<void> {
    const held = (): boolean => this.#held.has(partition) || !this.child.running;
    await eventually(`${this.name} to hold partition ${partition}`, held, READY_WITHIN_MS);
  }

  /** Frozen by SIGSTOP, as Linux tells it. */
  get isFrozen(): boolean {
    if (!this.child.running) return false;
    return / T /.test(readFileSync(`/proc/${this.child.pid}/stat`, 'utf8'));
  }

  async kill(): Promise<void> {
    this.child.signal('SIGKILL');
    await this.child.exited;
  }

  async close(): Promise<void> {
    this.proxy.heal();
    await this.child.end();
    await this.proxy.close();
  }
}

/** The replicas of the judged service, and the causes of their failures. */
export class Crew {
  readonly workers: Worker[] = [];
  readonly #causes: string;

  constructor(
    readonly folder: string,
    private readonly natsPort: number,
    private readonly setup: Omit<WorkerSetup, 'url' | 'journal' | 'causes'>,
  ) {
    this.#causes = join(folder, 'causes');
    mkdirSync(this.#causes);
  }

  async spawn({ stopAt, sabotage, setup: own }: SpawnOptions = {}): Promise<Worker> {
    const name = `worker-${this.workers.length}`;
    const proxy = await TcpProxy.listen(this.natsPort);
    const setup: WorkerSetup = {
      ...this.setup,
      ...own,
      url: proxy.url,
      journal: join(this.folder, `${name}.jsonl`),
      causes: this.#causes,
    };
    const build = testBuild({ sabotage, stopAt });
    const child = new Child('parking/worker.js', {
      env: { [SETUP_VARIABLE]: JSON.stringify(setup), ...build.env },
      errors: join(this.folder, `${name}.err`),
      execArgv: build.execArgv,
    });
    const worker = new Worker(name, child, proxy);
    this.workers.push(worker);
    return worker;
  }

  /** From now on the handlers of events with this cause fail, hang or end. */
  breakDown(cause: string): void {
    writeFileSync(join(this.#causes, cause), '');
  }

  mend(cause: string): void {
    rmSync(join(this.#causes, cause), { force: true });
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.close()));
  }
}
