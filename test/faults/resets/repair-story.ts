import { setTimeout as delay } from 'node:timers/promises';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { readStream } from '../harness/read-stream.js';
import type { Worker } from '../parking/crew.js';
import { ParkingWorld, type ParkingWorldOptions } from '../parking/parking-world.js';
import { PARKING_GROUP } from '../parking/setup.js';
import { whenRead } from '../parking/when-read.js';
import { checkRepair } from './check-repair.js';
import type { By } from './steps.js';
import { StoppedCommand } from './stopped-command.js';
import type { Told } from './story.js';

/** What an operator does to one aggregate, or to the topic, while the group works. */
export type Repair = 'purge' | 'edit' | 'copy';

export interface RepairInterruption {
  readonly server: ParkingWorldOptions['server'];
  readonly repair: Repair;
  readonly by: By;
  readonly fault: 'kill' | 'freeze';
  /** Of the command; a replica is stopped before the command begins. */
  readonly step?: string;
  readonly nth?: number;
}

const TARGET = 'target';
const HUNG = 'hung';
const ILLNESS = 'illness';
const HANG = 'hang';
const WELL = Array.from({ length: 12 }, (_, index) => `well-${index}`);
/** A hung head with more than a quarter of these behind it is diverted. */
const MAX_ACK_PENDING = 240;
const BEHIND_HUNG = 80;
const LOAD_EVERY_MS = 25;
const WAIT_MS = 40_000;
let count = 0;

/**
 * Two replicas under load, with one aggregate parked and one diverted. A command purges or edits the parked one, or
 * copies the topic. It is stopped at a step of its own, or a replica before it begins; then it is run again. What was
 * frozen is woken when the aggregate has events again.
 */
export async function tellRepair(told: RepairInterruption): Promise<Told> {
  const { server, repair, by, fault } = told;
  const world = await ParkingWorld.open({
    server,
    topic: `${repair}-${by}-${fault}-${++count}`,
    tapPositions: false,
    workers: { partitions: 4, leaseTtlMs: 2_000, maxAckPending: MAX_ACK_PENDING, breaker: { parked: 1_000 } },
  });
  const story = new RepairStory(world, told);
  try {
    const stopped = await story.run();
    const findings = await story.judge();
    const handled = world.runs().length;
    if (findings.length === 0) world.forget();
    return { findings, stopped, events: world.published, handled, folder: world.folder };
  } finally {
    await story.end();
    await world.close();
  }
}

class RepairStory {
  #publishes = true;
  #published: Promise<void> = Promise.resolve();
  #command: StoppedCommand | undefined;

  constructor(
    private readonly world: ParkingWorld,
    private readonly told: RepairInterruption,
  ) {}

  /** True if a process was stopped as it was to be. */
  async run(): Promise<boolean> {
    const { world, told } = this;
    const { by, fault, step, nth = 1, repair } = told;
    const first = await this.#service();
    if (by === 'replica') first.child.signal(fault === 'kill' ? 'SIGKILL' : 'SIGSTOP');
    else {
      this.#command = new StoppedCommand(this.#args, `${fault}:${step ?? ''}#${nth}`);
      await this.#command.stopped();
    }
    if (repair === 'copy') await this.#stopLoad();
    const again = await runCommand({ args: this.#args });
    // Stopped after its last write, it has left nothing to do.
    const isDone = step === 'edit: taken' && again.output.includes('nothing differs');
    if (again.code !== 0 && !isDone)
      throw new Error(
        `the command ended with ${again.code}: ${again.output}${again.errors} in ${world.folder}`,
      );
    if (repair !== 'purge') await this.#retried();
    // The aggregate lives on before what was frozen wakes.
    for (let n = 0; n < 3; n++) await world.publish(TARGET);
    if (by === 'replica' && fault === 'freeze') first.child.signal('SIGCONT');
    await this.#command?.wake();
    if (repair !== 'copy') await this.#stopLoad();
    for (const key of [TARGET, HUNG, ...WELL]) await world.publish(key);
    await whenRead('the last event of each to be handled', () => this.#endsHandled());
    await eventually('nothing to be parked', async () => (await world.parkedTokens()).length === 0);
    return true;
  }

  async end(): Promise<void> {
    await this.#stopLoad();
    this.#command?.end();
  }

  async judge(): Promise<string[]> {
    const { world, told } = this;
    const { stored, runs, left } = await world.history();
    const findings = checkRepair({ stored, runs, purged: told.repair === 'purge' ? TARGET : undefined });
    const dropped = world.logs().filter((text) => text.includes('has dropped'));
    const copied = told.repair === 'copy' ? await this.#copyDiffers() : [];
    return [
      ...findings,
      ...copied,
      ...dropped.map((text) => `lost: ${text}`),
      ...left.letters.map(({ key, seq }) => `left: a letter of ${key} (sequence ${seq})`),
    ];
  }

  /** Two replicas; the first one owns all partitions before the second comes. */
  async #service(): Promise<Worker> {
    const { world } = this;
    for (const cause of [ILLNESS, HANG]) world.crew.breakDown(cause);
    const first = await world.crew.spawn({});
    await first.holds();
    await (await world.crew.spawn({})).ready();
    for (let n = 1; n <= 4; n++)
      await world.publish(TARGET, n === 2 ? { cause: ILLNESS, trouble: 'fail' } : {});
    await world.publish(HUNG, { cause: HANG, trouble: 'hang' });
    await Promise.all(Array.from({ length: BEHIND_HUNG }, () => world.publish(HUNG)));
    this.#published = this.#publishOnAndOn();
    await eventually('one to be parked and one to be diverted', async () => {
      const [target, hung] = await Promise.all([TARGET, HUNG].map((key) => world.parkedState(key)));
      return target?.letters === 3 && hung?.state === 'diverted';
    });
    setTimeout(() => world.crew.mend(HANG), 1_000);
    return first;
  }

  get #args(): string[] {
    const { world, told } = this;
    const { topic } = world;
    const at = ['--server', told.server.url, '--wait', String(WAIT_MS)];
    if (told.repair === 'purge') return ['aggregate', 'purge', '--topic', topic, TARGET, '--yes', ...at];
    if (told.repair === 'copy')
      return ['topic', 'copy', topic, `${topic}-copy`, '--until-caught-up', ...at.slice(0, 2)];
    const place = `${topic}/${PARKING_GROUP}/${TARGET}`;
    return ['parked', 'edit', place, '--payload', '{"n":2}', '--yes', ...at];
  }

  /** An edited letter is well by itself; without an edit its cause has to go. */
  async #retried(): Promise<void> {
    const { world, told } = this;
    if (told.repair === 'copy') world.crew.mend(ILLNESS);
    await world.retryUntilLive(TARGET);
  }

  #endsHandled(): boolean {
    const missing = this.world.missing();
    // What was purged is missing.
    return missing.every((one) => this.told.repair === 'purge' && /^target [234]$/.test(one));
  }

  async #copyDiffers(): Promise<string[]> {
    const { world, told } = this;
    const { url } = told.server;
    const name = `${world.topic}-copy`;
    const done = await runCommand({ args: this.#args });
    if (done.code !== 0) return [`copy: the last run ended with ${done.code}: ${done.errors}`];
    const bodies = async (stream: string): Promise<Map<string, string[]>> => {
      const found = new Map<string, string[]>();
      await readStream(url, stream, ({ subject, data }) => {
        const token = subject.split('.').at(-1)!;
        found.set(token, [...(found.get(token) ?? []), Buffer.from(data).toString()]);
      });
      return found;
    };
    const [from, to] = await Promise.all([bodies(world.topic), bodies(name)]);
    return [...from].flatMap(([token, own]) =>
      JSON.stringify(own) === JSON.stringify(to.get(token)) ? [] : [`copy: ${token} differs`],
    );
  }

  async #stopLoad(): Promise<void> {
    this.#publishes = false;
    await this.#published;
  }

  async #publishOnAndOn(): Promise<void> {
    for (let n = 0; this.#publishes; n++) {
      await this.world.publish(WELL[n % WELL.length]!);
      await delay(LOAD_EVERY_MS);
    }
  }
}
