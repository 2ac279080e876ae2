import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { Child } from '../harness/child.js';
import { testBuild } from '../harness/test-build.js';
import { SETUP_VARIABLE } from './processes/setup.js';
import type { Role } from './steps.js';

export interface MemberOptions {
  readonly name: string;
  readonly role: Role;
  readonly folder: string;
  readonly natsPort: number;
  readonly postgresPort: number;
  readonly database: string;
  /** What the process is told besides where to connect. */
  readonly setup: object;
  readonly sabotage: string | undefined;
}

const READY_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 2;
const AGAIN_AFTER_MS = 200;

/** A process that is started again whenever it has ended, behind a proxy to each server. */
export class Member {
  #child: Child | undefined;
  #isReady = false;
  #isAway = false;
  #isClosed = false;
  #lives = 0;
  /** Ends that no fault has brought about. */
  readonly deaths: string[] = [];

  private constructor(
    private readonly options: MemberOptions,
    readonly nats: TcpProxy,
    readonly postgres: TcpProxy,
  ) {}

  static async open(options: MemberOptions): Promise<Member> {
    const nats = await TcpProxy.listen(options.natsPort);
    const postgres = await TcpProxy.listen(options.postgresPort);
    const member = new Member(options, nats, postgres);
    member.#spawn();
    return member;
  }

  get name(): string {
    return this.options.name;
  }

  get role(): Role {
    return this.options.role;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Stopped by SIGSTOP, as Linux tells it. */
  get isFrozen(): boolean {
    const child = this.#child;
    if (child === undefined || !child.running) return false;
    try {
      return / T /.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  }

  get #isWanted(): boolean {
    return !this.#isClosed && !this.#isAway;
  }

  async ready(): Promise<void> {
    await eventually(`${this.name} to be ready`, () => this.#isReady, READY_WITHIN_MS);
  }

  /** The process stops itself when it comes to the step; undefined: it does not. */
  order(stopAt: string | undefined): void {
    this.#child?.send({ stopAt });
  }

  /** It begins nothing new. */
  quiet(): void {
    this.#child?.send({ quiet: true });
  }

  freeze(): void {
    this.#child?.signal('SIGSTOP');
  }

  continue(): void {
    this.#child?.signal('SIGCONT');
  }

  /** It is away until {@link come}. */
  async kill(): Promise<void> {
    this.#isAway = true;
    this.#child?.signal('SIGKILL');
    await this.#child?.exited;
  }

  come(): void {
    if (!this.#isAway || this.#isClosed) return;
    this.#isAway = false;
    this.#spawn();
  }

  /** Both of its connections break. */
  cut(): void {
    this.nats.cut();
    this.postgres.cut();
  }

  heal(): void {
    this.nats.heal();
    this.postgres.heal();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.heal();
    await this.#child?.end();
    await this.nats.close();
    await this.postgres.close();
  }

  #spawnIfWanted(): void {
    if (this.#isWanted) this.#spawn();
  }

  #spawn(): void {
    const { role, name, folder, database, sabotage, setup } = this.options;
    const build = testBuild({ sabotage: sabotage ?? 'none' });
    const child = new Child(`postgres/processes/${role}.js`, {
      env: {
        [SETUP_VARIABLE]: JSON.stringify({
          ...setup,
          nats: this.nats.url,
          postgres: `postgres://postgres@127.0.0.1:${this.postgres.port}/${database}`,
          journal: join(folder, `${name}-${this.#lives++}.jsonl`),
        }),
        ...build.env,
      },
      errors: join(folder, `${name}.err`),
      execArgv: build.execArgv,
    });
    this.#child = child;
    this.#isReady = false;
    child.onMessage(() => (this.#isReady = true));
    void child.exited.then(async (how) => {
      const wasReady = this.#isReady;
      this.#isReady = false;
      if (!this.#isWanted) return;
      // A start that fails while a server is away is no fault of its own; it is tried again.
      if (wasReady) this.deaths.push(`${name} ended by itself: ${how}`);
      await delay(AGAIN_AFTER_MS);
      this.#spawnIfWanted();
    });
  }
}

/** Lets the first of these that comes to a step stop there. Undefined if none did in time; none is stopped then. */
export async function stopOneAt(
  members: readonly Member[],
  step: string,
  withinMs: number,
): Promise<Member | undefined> {
  for (const member of members) member.order(step);
  const until = performance.now() + withinMs;
  let stopped: Member | undefined;
  while (stopped === undefined && performance.now() < until) {
    await delay(LOOK_EVERY_MS);
    stopped = members.find(({ isFrozen }) => isFrozen);
  }
  for (const member of members) {
    if (member === stopped) continue;
    member.order(undefined);
    // It may have stopped before it heard that it need not.
    member.continue();
  }
  return stopped;
}
