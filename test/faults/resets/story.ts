import { setTimeout as delay } from 'node:timers/promises';
import type { SabotagedRule } from '#library/sabotage.js';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { testBuild } from '../harness/test-build.js';
import type { Worker } from '../parking/crew.js';
import { ParkingWorld, type ParkingWorldOptions } from '../parking/parking-world.js';
import { PARKING_GROUP } from '../parking/setup.js';
import { whenRead } from '../parking/when-read.js';
import { checkRuns, type GroupRun } from './check-runs.js';
import type { By } from './steps.js';
import { StoppedCommand } from './stopped-command.js';

/** What an operator does to the group. */
export type Deed = 'reset to start' | 'reset to time' | 'delete';

export interface Interruption {
  readonly server: ParkingWorldOptions['server'];
  readonly deed: Deed;
  /** The process that is stopped; none: it goes through undisturbed. */
  readonly by?: By;
  readonly fault?: 'kill' | 'freeze';
  /** Undefined with a replica to freeze: before anything is done. */
  readonly step?: string;
  /** The process is stopped when it comes to the step for the n-th time. */
  readonly nth?: number;
  /** A rule that replicas, and one that the command is without. */
  readonly sabotage?: SabotagedRule | undefined;
  readonly commandSabotage?: SabotagedRule | undefined;
}

export interface Told {
  /** What the judge found. */
  readonly findings: readonly string[];
  /** The process came to the step and was stopped there. */
  readonly stopped: boolean;
  readonly events: number;
  readonly handled: number;
  readonly folder: string;
}

const ILL = 'ill';
const HUNG = 'hung';
const ILLNESS = 'illness';
const HANG = 'hang';
const WELL = Array.from({ length: 24 }, (_, index) => `well-${index}`);
const PARTITIONS = 4;
/** A hung head with more than a quarter of these behind it is diverted. */
const MAX_ACK_PENDING = 240;
const BEHIND_HUNG = 80;
const HANDLER_MS = 10;
const LEASE_TTL_MS = 2_000;
const BURST = 3;
const BURST_EVERY_MS = 25;
const WAIT_MS = 40_000;
const STOPPED_WITHIN_MS = 60_000;
/** Between two writes that the clock of the server must tell apart. */
const APART_MS = 30;
const JUDGED_LATE_MS = 8_000;
let count = 0;

/**
 * A service under load, with one aggregate parked and one diverted. Its group is reset, or deleted and begun again, and
 * a process is stopped at a step; the command is run again. What was frozen is woken when the group is at work in its
 * next run. The judge reads what handlers wrote down.
 */
export async function tellStory(told: Interruption): Promise<Told> {
  const { server, deed, by = 'no process' } = told;
  const world = await ParkingWorld.open({
    server,
    topic: `${deed.replaceAll(' ', '-')}-${by}-${++count}`,
    tapPositions: false,
    workers: {
      partitions: PARTITIONS,
      handlerMs: HANDLER_MS,
      leaseTtlMs: LEASE_TTL_MS,
      maxAckPending: MAX_ACK_PENDING,
      breaker: { parked: 1_000 },
    },
  });
  const story = new Story(world, told);
  try {
    const stopped = await story.run();
    const { stored, left, runs: handled } = await world.history();
    const findings = [
      ...checkRuns({ stored, handled, runs: story.runs, isDeleted: deed === 'delete' }),
      ...left.letters.map(({ key, seq }) => `left: a letter of ${key} (sequence ${seq})`),
      ...left.markers.map(([token]) => `left: the marker of ${token}`),
      ...story.findings,
    ];
    if (findings.length === 0 || isSabotaged(told)) world.forget();
    return { findings, stopped, events: world.published, handled: handled.length, folder: world.folder };
  } finally {
    await story.end();
    await story.removeStreams();
    await world.close();
  }
}

function isSabotaged({ sabotage, commandSabotage }: Interruption): boolean {
  return sabotage !== undefined || commandSabotage !== undefined;
}

class Story {
  readonly runs: GroupRun[] = [{ run: 0, after: 0, replayUntil: 0 }];
  readonly findings: string[] = [];
  #publishes = true;
  #published: Promise<void> = Promise.resolve();
  #command: StoppedCommand | undefined;
  #time = new Date();

  constructor(
    private readonly world: ParkingWorld,
    private readonly told: Interruption,
  ) {}

  /** True if a process was stopped at the step, or none was to be. */
  async run(): Promise<boolean> {
    const { world, told } = this;
    const { by, step = '' } = told;
    const first = await this.#service();
    const isAlone = step.startsWith('drain: ');
    if (isAlone) await this.#mendAndEnd(first);
    else setTimeout(() => world.crew.mend(HANG), 1_000);
    const stopped = await this.#interrupt(first);
    await this.#carriedOut();
    await this.#readRun();
    if (told.deed === 'delete') await this.#halted();
    const frozen = by === 'replica' && told.fault === 'freeze' ? first : undefined;
    await this.#atWorkAgain(isAlone);
    await this.#wake(frozen);
    world.crew.mend(ILLNESS);
    await this.#comesBack();
    await this.end();
    for (const key of [ILL, HUNG, ...WELL]) await world.publish(key);
    await this.#allHandled();
    return stopped;
  }

  /** Publishes no more. */
  async end(): Promise<void> {
    this.#publishes = false;
    await this.#published;
    this.#command?.end();
  }

  /** A server sets room aside for each stream, and one server hears many stories. */
  async removeStreams(): Promise<void> {
    const { tap, topic, crew } = this.world;
    await crew.close();
    const { streams } = await tap.nats.jetstreamManager();
    for (const name of [topic, `${topic}_parked`]) await streams.delete(name).catch(() => false);
  }

  /** A replica under load, with one aggregate parked and one diverted. */
  async #service(): Promise<Worker> {
    const { world, told } = this;
    const { crew } = world;
    crew.breakDown(ILLNESS);
    crew.breakDown(HANG);
    const first = await crew.spawn({
      stopAt: told.by === 'replica' && told.step !== undefined ? this.#stopAt : undefined,
      sabotage: told.sabotage ?? (told.by === 'command' ? 'command-goes-on-alone' : undefined),
    });
    await first.holds();
    for (let n = 1; n <= 3; n++) await world.publish(ILL, n === 2 ? { cause: ILLNESS, trouble: 'fail' } : {});
    await world.publish(HUNG, { cause: HANG, trouble: 'hang' });
    await Promise.all(Array.from({ length: BEHIND_HUNG }, () => world.publish(HUNG)));
    this.#published = this.#publishOnAndOn();
    await whenRead('some to be handled', () => world.handled().size > WELL.length);
    await eventually('one to be parked and one to be diverted', async () => {
      const [ill, hung] = await Promise.all([ILL, HUNG].map((key) => world.parkedState(key)));
      return ill?.letters === 2 && hung?.state === 'diverted';
    });
    await this.#markTime();
    for (let n = 0; n < 3; n++) await world.publish(ILL);
    await eventually(
      'its next events to be letters',
      async () => (await world.parkedState(ILL))?.letters === 5,
    );
    return first;
  }

  /** All that is stored before this moment is handled, or is a letter: a reset to it gives up nothing. */
  async #markTime(): Promise<void> {
    if (this.told.deed !== 'reset to time') return;
    await this.#pauseLoad(async () => {
      await whenRead('all of the load to be handled', () =>
        this.world.missing().every((one) => !one.startsWith('well')),
      );
      await delay(APART_MS);
      this.#time = new Date();
      await delay(APART_MS);
    });
  }

  async #pauseLoad(work: () => Promise<void>): Promise<void> {
    this.#publishes = false;
    await this.#published;
    await work();
    this.#publishes = true;
    this.#published = this.#publishOnAndOn();
  }

  async #mendAndEnd(worker: Worker): Promise<void> {
    this.world.crew.mend(HANG);
    await eventually(
      'the hung one to be live',
      async () => (await this.world.parkedState(HUNG)) === undefined,
    );
    await worker.child.end();
  }

  get #stopAt(): string {
    const { fault = 'kill', step = '', nth = 1 } = this.told;
    return `${fault}:${step}#${nth}`;
  }

  get #args(): string[] {
    const { deed, server } = this.told;
    const verb = deed === 'delete' ? 'delete' : 'reset';
    const to = deed === 'reset to start' ? ['--to', 'start'] : ['--to', `time:${this.#time.toISOString()}`];
    return [
      ...['group', verb, this.world.topic, PARKING_GROUP, '--yes', '--server', server.url],
      ...['--wait', String(WAIT_MS), ...(deed === 'delete' ? [] : [...to, '--id', 'once'])],
    ];
  }

  async #interrupt(first: Worker): Promise<boolean> {
    const { by, fault } = this.told;
    if (by === 'command') {
      this.#command = new StoppedCommand(this.#args, this.#stopAt);
      await this.#command.stopped();
      return true;
    }
    if (by !== 'replica') return true;
    if (this.told.step === undefined) {
      first.child.signal('SIGSTOP');
      return true;
    }
    // The replica is alone with the change when it comes to the step.
    await runCommand({ args: this.#args, ...testBuild({ stopAt: 'kill:repartition: begun' }) });
    const isStopped = (): boolean => first.isFrozen || !first.child.running;
    await eventually(`${first.name} to be stopped`, isStopped, STOPPED_WITHIN_MS).catch(() => undefined);
    const stopped = isStopped();
    if (this.told.deed !== 'delete')
      await (await this.world.crew.spawn({ sabotage: this.told.sabotage })).ready();
    if (fault !== 'freeze') await first.child.end();
    return stopped;
  }

  async #carriedOut(): Promise<void> {
    const { commandSabotage } = this.told;
    const build = commandSabotage === undefined ? {} : testBuild({ sabotage: commandSabotage });
    const { code, output, errors } = await runCommand({ args: this.#args, ...build });
    if (code !== 0)
      throw new Error(`${this.world.folder}: the command ended with ${code}: ${output}${errors}`);
  }

  async #readRun(): Promise<void> {
    const { deed } = this.told;
    if (deed === 'delete') {
      this.runs.push({ run: 1, after: 0, replayUntil: 0 });
      return;
    }
    const { run, start, replayUntil = 0 } = await this.#record();
    if (run !== 1) this.findings.push(`run: the reset has left the group in run ${run}`);
    this.runs.push({ run: 1, after: start.sequence, replayUntil });
  }

  async #record(): Promise<{ run: number; start: { sequence: number }; replayUntil?: number }> {
    const { tap, topic } = this.world;
    const { streams } = await tap.nats.jetstreamManager();
    const stream = `${topic}_positions`;
    const found = await streams.getMessage(stream, { last_by_subj: `$KV.${stream}.group.${PARKING_GROUP}` });
    return found.json();
  }

  /** Replicas that live have halted and start nothing that is published. */
  async #halted(): Promise<void> {
    const { world } = this;
    const before = world.runs().length;
    for (const key of WELL.slice(0, 8)) await world.publish(key);
    await delay(APART_MS);
    const more = world.runs().length - before;
    if (more > 0) this.findings.push(`deleted: ${more} handlers started after the group was deleted`);
    const frozen = world.crew.workers.filter(({ isFrozen }) => isFrozen);
    for (const worker of world.crew.workers) if (!frozen.includes(worker)) await worker.child.end();
  }

  async #atWorkAgain(isAlone: boolean): Promise<void> {
    const { world, told } = this;
    if (told.deed === 'delete' || isAlone)
      await (await world.crew.spawn({ sabotage: told.sabotage })).holds();
    const sequence = await world.publish(WELL[0]!);
    await whenRead('the next run to be at work', () =>
      world.runs().some(({ seq, ok, run }) => (seq === sequence || run === 1) && ok === true),
    ).catch((error: unknown) => {
      if (!isSabotaged(told)) throw error;
    });
    if (told.deed === 'reset to time' || isSabotaged(told)) return;
    // It fails in this run, too, and has letters of its own by now.
    await eventually(
      'the ill one to be parked again',
      async () => ((await world.parkedState(ILL))?.letters ?? 0) >= 5,
    );
  }

  async #wake(frozen: Worker | undefined): Promise<void> {
    await this.#command?.wake();
    if (frozen === undefined) return;
    const before = this.world.runs().length;
    frozen.child.signal('SIGCONT');
    if (this.told.deed !== 'delete') return;
    // It has to find out that its group is gone; then it may follow the one that has its name now.
    await delay(2 * LEASE_TTL_MS);
    const started = this.world
      .runs()
      .slice(before)
      .filter(({ worker, run }) => worker === frozen.name && run === 0);
    for (const { key, n } of started.slice(0, 3))
      this.findings.push(`deleted: ${key} ${n} started in ${frozen.name}, which slept through the deletion`);
  }

  async #comesBack(): Promise<void> {
    const { world, told } = this;
    try {
      await world.retryUntilLive(ILL, isSabotaged(told) ? JUDGED_LATE_MS : undefined);
    } catch (cause) {
      if (isSabotaged(told)) return;
      const left = JSON.stringify({ state: await world.parkedState(ILL), left: await world.tap.left() });
      throw new Error(`${ILL} does not come back: ${left.slice(0, 2_000)} in ${world.folder}`, { cause });
    }
  }

  async #allHandled(): Promise<void> {
    const { world, told } = this;
    const last = this.runs.at(-1)!;
    const { stored } = await world.history();
    const isHandled = (): boolean => {
      const done = new Set(
        world.runs().flatMap(({ seq, ok, run }) => (ok === true ? [`${run} ${seq}`] : [])),
      );
      return stored.every(({ seq }) => seq <= last.after || done.has(`${last.run} ${seq}`));
    };
    const withinMs = isSabotaged(told) ? JUDGED_LATE_MS : undefined;
    // What is missing is told by the judge.
    await whenRead('the last run to be complete', isHandled, withinMs).catch(() => undefined);
    await eventually(
      'nothing to be parked',
      async () => (await world.parkedTokens()).length === 0,
      withinMs,
    ).catch(() => undefined);
  }

  async #publishOnAndOn(): Promise<void> {
    for (let n = 0; this.#publishes; n++) {
      const keys = Array.from({ length: BURST }, (_, index) => WELL[(n * BURST + index) % WELL.length]!);
      await Promise.all(keys.map((key) => this.world.publish(key)));
      await delay(BURST_EVERY_MS);
    }
  }
}
