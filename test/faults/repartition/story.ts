import { setTimeout as delay } from 'node:timers/promises';
import type { LayoutRule } from '#library/sabotage.js';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { groupBy } from '../oracle/finding.js';
import type { Worker } from '../parking/crew.js';
import type { HandlerRun } from '../parking/parking-history.js';
import { ParkingWorld, type ParkingWorldOptions } from '../parking/parking-world.js';
import { PARKING_GROUP } from '../parking/setup.js';
import { whenRead } from '../parking/when-read.js';
import { testBuild } from '../harness/test-build.js';
import type { By } from './steps.js';

export interface Interruption {
  readonly server: ParkingWorldOptions['server'];
  /** The process that is stopped; none: the change goes through undisturbed. */
  readonly by?: By;
  readonly fault?: 'kill' | 'freeze';
  readonly step?: string;
  /** The process is stopped when it comes to the step for the n-th time. */
  readonly nth?: number;
  readonly from: number;
  readonly to: number;
  /** Once the process is stopped, the leases of the group vanish from their bucket. */
  readonly leasesLost?: boolean;
  readonly sabotage?: LayoutRule;
  /** How long a handler takes. */
  readonly handlerMs?: number;
  /** Where no owner dies, a longer one: a busy machine is not to end it. */
  readonly leaseTtlMs?: number;
  /** Between two bursts of events. */
  readonly burstEveryMs?: number;
}

export interface Told {
  /** What the judge found. */
  readonly findings: readonly string[];
  /** The process came to the step and was stopped there. */
  readonly stopped: boolean;
  readonly events: number;
  /** Events that were handled, not settled, and came again. */
  readonly repeated: number;
  readonly folder: string;
}

const ILL = 'ill';
const CAUSE = 'stock';
/** Its lane is long when the layout changes: what it has not settled lies far behind what others have. */
const DEEP = 'deep';
const DEPTH = 150;
const WELL = Array.from({ length: 40 }, (_, index) => `well-${index}`);
const HANDLER_MS = 20;
/** Long enough for a machine that has other work: a lease that ends repeats what was not settled. */
const LEASE_TTL_MS = 2_000;
const SETTLED_BESIDE_MS = 300;
const BURST = 4;
const BURST_EVERY_MS = 15;
const CHANGED_WITHIN_MS = 90_000;
const STOPPED_WITHIN_MS = 60_000;
const LEASE_STREAM = 'KV_aggregate-transport';
let count = 0;

/**
 * A service with many aggregates, one of them parked, under load. Its number of partitions is changed; a process is
 * stopped at a step; the command is run again, and then once more the other way. A frozen replica is woken when all is
 * over. The judge reads what handlers wrote down and what the server confirmed.
 */
export async function tellStory(interruption: Interruption): Promise<Told> {
  const { server, from, by = 'no process', leaseTtlMs = LEASE_TTL_MS } = interruption;
  const world = await ParkingWorld.open({
    server,
    topic: `layout-${by}-${++count}`,
    workers: { partitions: from, handlerMs: interruption.handlerMs ?? HANDLER_MS, leaseTtlMs },
  });
  const story = new Story(world, interruption);
  try {
    const stopped = await story.run();
    const findings = [...(await world.judge()), ...overlaps(world.runs(), leaseTtlMs)];
    const handled = world.runs().filter(({ ok }) => ok === true).length;
    const repeated = handled - world.handled().size;
    if (findings.length === 0 || interruption.sabotage !== undefined) world.forget();
    return { findings, stopped, events: world.published, repeated, folder: world.folder };
  } finally {
    await story.end();
    await story.removeStreams();
    await world.close();
  }
}

/**
 * Two handlers of one aggregate at a time, both of which came to their end. One that ran longer than a lease slept in a
 * frozen process: that cannot be stopped, and its fencing token gives it away.
 */
function overlaps(runs: readonly HandlerRun[], leaseTtlMs: number): string[] {
  const findings: string[] = [];
  for (const [key, all] of groupBy(
    runs.filter(({ ok, start, end }) => ok !== undefined && end - start < leaseTtlMs),
    (run) => run.key,
  )) {
    for (const [index, run] of all.entries()) {
      const next = all[index + 1];
      if (next !== undefined && next.start < run.end)
        findings.push(
          `overlap: ${key} ${next.n} in ${next.worker} began while ${run.n} ran in ${run.worker}`,
        );
    }
  }
  return findings;
}

class Story {
  #publishes = true;
  #published: Promise<void> = Promise.resolve();

  constructor(
    private readonly world: ParkingWorld,
    private readonly told: Interruption,
  ) {}

  /** True if a process was stopped at the step, or none was to be. */
  async run(): Promise<boolean> {
    const { world, told } = this;
    const { crew } = world;
    crew.breakDown(CAUSE);
    const { by, fault = 'kill', step = '', nth = 1 } = told;
    const stopAt = `${fault}:${step}#${nth}`;
    const first = await crew.spawn({
      stopAt: by === 'replica' ? stopAt : undefined,
      sabotage: told.sabotage ?? (by === 'command' ? 'command-goes-on-alone' : undefined),
    });
    await first.holds();
    // In one process handlers of the old layout keep those of the new one waiting. The other one is at rest soon.
    if (told.sabotage !== undefined) {
      const second = await crew.spawn({ sabotage: told.sabotage, setup: { handlerMs: HANDLER_MS } });
      await second.ready();
    }
    for (let n = 1; n <= 3; n++) await world.publish(ILL, n === 2 ? { cause: CAUSE, trouble: 'fail' } : {});
    this.#published = this.#publishOnAndOn();
    await whenRead('some to be handled', () => world.handled().size > WELL.length);
    await eventually('the ill one to be parked', async () => (await world.parkedState(ILL)) !== undefined);
    await this.#deepen();
    const isAlone = step.startsWith('drain: ');
    if (isAlone) await first.child.end();
    let stopped = true;
    if (by === 'command') stopped = await this.#stopCommand(stopAt);
    else if (by === 'replica') stopped = await this.#stopReplica(first);
    else await this.#change(told.to);
    if (told.leasesLost === true) await this.#loseLeases();
    await this.#change(told.to);
    if (isAlone) await (await crew.spawn()).holds();
    await this.#works();
    await this.#deepen();
    await this.#change(told.from);
    await this.#works();
    if (fault === 'freeze') first.child.signal('SIGCONT');
    crew.mend(CAUSE);
    await this.#comesBack();
    await this.end();
    for (const key of [ILL, ...WELL]) await world.publish(key);
    await world.whenAllHandled(told.sabotage === undefined ? undefined : 5_000).catch((error: unknown) => {
      if (told.sabotage === undefined) throw error;
    });
    await this.#onlyTheLayoutIsLeft();
    return stopped;
  }

  async #comesBack(): Promise<void> {
    const { world } = this;
    try {
      await world.retryUntilLive(ILL);
    } catch (cause) {
      const left = JSON.stringify({ state: await world.parkedState(ILL), left: await world.tap.left() });
      throw new Error(`${ILL} does not come back: ${left.slice(0, 2_000)} in ${world.folder}`, { cause });
    }
  }

  /** A server sets room aside for each stream, and one server hears many stories. */
  async removeStreams(): Promise<void> {
    const { tap, topic, crew } = this.world;
    await crew.close();
    const { streams } = await tap.nats.jetstreamManager();
    for (const name of [topic, `${topic}_parked`]) await streams.delete(name).catch(() => false);
  }

  async #deepen(): Promise<void> {
    const { handlerMs = HANDLER_MS } = this.told;
    const depth = Math.ceil((DEPTH * HANDLER_MS) / handlerMs);
    await Promise.all(Array.from({ length: depth }, () => this.world.publish(DEEP)));
    // Others continue meanwhile.
    await delay(SETTLED_BESIDE_MS);
  }

  /** Publishes no more. */
  async end(): Promise<void> {
    this.#publishes = false;
    await this.#published;
  }

  async #stopCommand(stopAt: string): Promise<boolean> {
    const cancels = stopAt.includes('cancelled');
    // Only what is under way can be called off.
    if (cancels) await this.#command(this.told.to, 'kill:repartition: begun');
    const { code, errors } = await (cancels
      ? this.#command('--cancel', stopAt)
      : this.#command(this.told.to, stopAt));
    if (code !== -1) throw new Error(`expected the command to be stopped, found code ${code}: ${errors}`);
    if (cancels) await this.#works();
    return true;
  }

  /** The replica is alone with the change when it comes to the step. */
  async #stopReplica(worker: Worker): Promise<boolean> {
    await this.#command(this.told.to, 'kill:repartition: begun');
    const isStopped = (): boolean => worker.isFrozen || !worker.child.running;
    await eventually(`${worker.name} to be stopped`, isStopped, STOPPED_WITHIN_MS).catch(() => undefined);
    const second = await this.world.crew.spawn();
    await second.ready();
    return isStopped();
  }

  async #change(to: number): Promise<void> {
    const { code, output, errors } = await this.#command(to);
    if (code !== 0)
      throw new Error(`${this.world.folder}: repartition ended with ${code}: ${output}${errors}`);
  }

  /** What a restored bucket, or an operator, does to owners that are alive. */
  async #loseLeases(): Promise<void> {
    const { tap, topic } = this.world;
    const { streams } = await tap.nats.jetstreamManager();
    const { purged } = await streams.purge(LEASE_STREAM, {
      filter: `$KV.aggregate-transport.lease.${topic}.${PARKING_GROUP}.>`,
    });
    if (purged === 0) throw new Error(`expected leases of ${topic}, found none`);
  }

  #command(to: number | '--cancel', stopAt?: string): ReturnType<typeof runCommand> {
    const { server } = this.told;
    const what = ['repartition', this.world.topic, PARKING_GROUP, String(to), '--yes'];
    return runCommand({
      args: [...what, '--server', server.url, '--wait', String(CHANGED_WITHIN_MS)],
      ...(stopAt === undefined ? {} : testBuild({ stopAt })),
    });
  }

  /** Events that are published from now on are handled. */
  async #works(): Promise<void> {
    const sequence = await this.world.publish(WELL[0]!);
    const isHandled = (): boolean => this.world.runs().some(({ seq, ok }) => seq === sequence && ok === true);
    await whenRead('the layout to be at work', isHandled);
  }

  async #publishOnAndOn(): Promise<void> {
    for (let n = 0; this.#publishes; n++) {
      const keys = Array.from({ length: BURST }, (_, index) => WELL[(n * BURST + index) % WELL.length]!);
      await Promise.all(keys.map((key) => this.world.publish(key)));
      await delay(this.told.burstEveryMs ?? BURST_EVERY_MS);
    }
  }

  async #onlyTheLayoutIsLeft(): Promise<void> {
    const { tap, topic } = this.world;
    const manager = await tap.nats.jetstreamManager();
    const isLayout = new RegExp(`^${PARKING_GROUP}-\\d+-${this.told.from}-\\d+-e\\d+-\\d+$`);
    await eventually('one reader a partition', async () => {
      const names: string[] = [];
      for await (const { name } of manager.consumers.list(topic)) names.push(name);
      return names.length === this.told.from && names.every((name) => isLayout.test(name));
    });
  }
}
