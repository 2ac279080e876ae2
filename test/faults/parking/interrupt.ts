import { setTimeout as delay } from 'node:timers/promises';
import type { SabotagedRule } from '#library/sabotage.js';
import { eventually } from '../../support/eventually.js';
import type { Worker } from './crew.js';
import { ParkingWorld, type ParkingWorldOptions } from './parking-world.js';
import type { Plan, WorkerSetup } from './setup.js';
import { STEPS, type StepPlan } from './steps.js';
import { whenRead } from './when-read.js';

export interface Interruption {
  readonly server: ParkingWorldOptions['server'];
  readonly step: string;
  readonly fault: 'kill' | 'freeze';
  /** The process is stopped when it comes to the step for the n-th time. */
  readonly nth?: number;
  /** Events of the aggregate before the step, if other than usual. */
  readonly events?: number;
  /** The event of the aggregate that has the trouble. */
  readonly ill?: number;
  readonly sabotage?: SabotagedRule;
  readonly workers?: Partial<WorkerSetup>;
}

export interface Interrupted {
  /** The promises that were broken. */
  readonly findings: readonly string[];
  /** The process came to the step and was stopped there. */
  readonly stopped: boolean;
  readonly letters: number;
  readonly folder: string;
}

const ILL = 'ill';
const WELL = ['well-0', 'well-1', 'well-2'];
const CAUSE = 'stock';
const MAX_ACK_PENDING = 100;
const TRICKLE_EVERY_MS = 60;
const MAX_TRICKLE = 150;
const STOPPED_WITHIN_MS = 60_000;
const THAWED_FOR_MS = 500;
let count = 0;

/**
 * One owner is stopped at one step; another process takes over; the cause is fixed and the operator retries until the
 * aggregate is live. Events of the aggregate and of its neighbours are published all the while. A frozen owner is woken
 * when its successor has been at work for a while.
 */
export async function interruptAt(interruption: Interruption): Promise<Interrupted> {
  const { server, step, fault, nth = 1, sabotage } = interruption;
  const plan = STEPS[step];
  if (plan === undefined) throw new Error(`expected a step of STEPS, found "${step}"`);
  const topic = `${fault}-${step.replaceAll(/\W+/g, '-')}-${++count}`;
  const world = await ParkingWorld.open({
    server,
    topic,
    workers: { maxAckPending: MAX_ACK_PENDING, ...interruption.workers },
  });
  const story = new Story(world, plan, interruption);
  try {
    const stopped = await story.run(`${fault}:${step}#${nth}`, sabotage);
    const findings = await world.judge();
    if ((findings.length === 0 && stopped) || sabotage !== undefined) world.forget();
    return { findings, stopped, letters: world.tap.letters.length, folder: world.folder };
  } finally {
    await world.close();
  }
}

class Story {
  #trickle = true;

  constructor(
    private readonly world: ParkingWorld,
    private readonly plan: StepPlan,
    private readonly interruption: Interruption,
  ) {}

  /** True if the first owner was stopped at the step. */
  async run(stopAt: string, sabotage: SabotagedRule | undefined): Promise<boolean> {
    const { world, plan } = this;
    const { crew } = world;
    crew.breakDown(CAUSE);
    const earlier = plan.inherited === true ? await crew.spawn({ sabotage }) : undefined;
    await earlier?.holds();
    if (earlier !== undefined) await this.#load();
    if (earlier !== undefined) await this.#whenParked();
    const first = await crew.spawn({ stopAt, sabotage });
    await (earlier === undefined ? first.holds() : first.ready());
    // The heir is the one to be stopped, so its successor comes later.
    let second = earlier === undefined ? await crew.spawn({ sabotage }) : undefined;
    await second?.ready();
    await earlier?.kill();
    const loaded = earlier === undefined ? this.#load() : Promise.resolve();
    const trickled = loaded.then(() => this.#publishOnAndOn());
    if (plan.retry !== undefined) await loaded.then(() => this.#whenParked());
    if (plan.retry === 'when fixed') crew.mend(CAUSE);
    if (plan.retry !== undefined) this.#askOnce();
    const stopped = await this.#isStopped(first);
    second ??= await crew.spawn({ sabotage });
    await second.holds();
    await this.#successorWorks(second);
    if (this.interruption.fault === 'freeze') {
      first.child.signal('SIGCONT');
      await delay(THAWED_FOR_MS);
    }
    await loaded;
    // What a policy skips is gone however it ends; while the cause stands both owners skip it.
    if (plan.trouble === 'skip') await this.#whenSkipped();
    crew.mend(CAUSE);
    for (const key of WELL) await world.publish(key);
    await world.comesBack(ILL, sabotage !== undefined);
    this.#trickle = false;
    await trickled;
    if (sabotage === undefined) await world.whenAllHandled();
    await this.#whenNothingIsParked(sabotage !== undefined);
    return stopped;
  }

  async #load(): Promise<void> {
    const { plan, world, interruption } = this;
    const illAt = interruption.ill ?? 2;
    const trouble: Omit<Plan, 'n'> = { cause: CAUSE, trouble: plan.trouble };
    const events = interruption.events ?? plan.events;
    for (let n = 1; n <= events; n++) {
      const sequence = await world.publish(ILL, n === illAt ? trouble : {});
      if (n === illAt && plan.trouble === 'skip') world.drops(sequence);
      if (n <= 3) for (const key of WELL) await world.publish(key);
    }
  }

  async #publishOnAndOn(): Promise<void> {
    for (let n = 0; this.#trickle && n < MAX_TRICKLE; n++) {
      await this.world.publish(ILL);
      await this.world.publish(WELL[n % WELL.length]!);
      await delay(TRICKLE_EVERY_MS);
    }
  }

  #askOnce(): void {
    const { operator, topic } = this.world;
    // The process that is asked is stopped on the way, so the answer may be any.
    operator.retry({ topic, aggregateId: ILL }, { waitMs: 1_000 }).catch(() => undefined);
  }

  async #isStopped(worker: Worker): Promise<boolean> {
    const isStopped = (): boolean => worker.isFrozen || !worker.child.running;
    await eventually(`${worker.name} to be stopped`, isStopped, STOPPED_WITHIN_MS).catch(() => undefined);
    return isStopped();
  }

  /** The neighbours are handled by the successor: it has taken over, and parked aggregates do not stop it. */
  async #successorWorks(worker: Worker): Promise<void> {
    // On a busy machine all others may have been handled before the owner was stopped.
    await this.world.publish(WELL[0]!);
    const works = (): boolean =>
      this.world.runs().some(({ key, worker: by, ok }) => by === worker.name && key !== ILL && ok === true);
    await whenRead(`${worker.name} to handle events of the neighbours`, works);
  }

  async #whenParked(): Promise<void> {
    const { events } = this.plan;
    const illAt = this.interruption.ill ?? 2;
    const letters = (this.interruption.events ?? events) - illAt + 1;
    await eventually(
      `${ILL} to have its letters`,
      async () => ((await this.world.parkedState(ILL))?.letters ?? 0) >= letters,
    );
  }

  async #whenSkipped(): Promise<void> {
    await eventually('the event to be skipped', async () => (await this.world.tap.left()).skipped.length > 0);
    await whenRead('its followers to be handled', () => this.world.handled().has(`${ILL} 3`));
  }

  async #whenNothingIsParked(isSabotaged: boolean): Promise<void> {
    const isOver = async (): Promise<boolean> => (await this.world.parkedTokens()).length === 0;
    // The checker says what is left.
    await eventually('nothing to be parked', isOver, isSabotaged ? 3_000 : 30_000).catch(() => undefined);
  }
}
