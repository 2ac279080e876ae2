import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { type Member, stopOneAt } from './member.js';
import type { PlannedFault, Special, StepFault } from './nemesis-plan.js';
import { GROUP, TOPIC } from './processes/setup.js';
import { type Role, type Step, STEPS } from './steps.js';
import { AFTER_WINDOW_MS, LEASE_TTL_MS, SILENT_FOR_MS, type World } from './world.js';

/** Under load a process comes to each of its steps many times a second. */
const STEP_WITHIN_MS = 8_000;
const TAKEN_OVER_MS = 2_000;
const EXHAUSTED_MS = 1_500;
const MOST_CONNECTIONS = 100;
const RESET_WITHIN_MS = 90_000;

export interface NemesisOptions {
  readonly world: World;
  readonly say: (text: string) => void;
}

/** Does what is planned, one fault after the other, and leaves the world whole after each. */
export class Nemesis {
  /** What was hit: `step × target × way`, or the special's name. */
  readonly hit = new Map<string, number>();
  /** Steps that no process came to in time. */
  missed = 0;
  resets = 0;
  readonly #world: World;

  constructor(private readonly options: NemesisOptions) {
    this.#world = options.world;
  }

  async run(faults: readonly PlannedFault[]): Promise<void> {
    for (const fault of faults) {
      try {
        if (fault.kind === 'step') await this.#atStep(fault);
        else await this.#special(fault.kind);
      } finally {
        await this.#heal();
      }
    }
  }

  #note(what: string): void {
    this.hit.set(what, (this.hit.get(what) ?? 0) + 1);
    this.options.say(what);
  }

  async #heal(): Promise<void> {
    const { members, postgres, nats } = this.#world;
    await postgres.resume();
    await postgres.start();
    nats.resume();
    await nats.start();
    for (const member of members) {
      member.heal();
      member.order(undefined);
      member.continue();
      member.come();
    }
  }

  /** One process of the role that works, stopped at the step. */
  async #stopped(step: Step): Promise<Member | undefined> {
    const members = this.#world.of(STEPS[step]);
    await Promise.all(members.map((member) => member.ready()));
    const stopped = await stopOneAt(members, step, STEP_WITHIN_MS);
    if (stopped === undefined) this.missed++;
    return stopped;
  }

  async #atStep({ step, target, way, ms, holdsWire, aim }: StepFault): Promise<void> {
    const role = STEPS[step];
    // A process that starts cannot come up behind a black hole.
    await Promise.all(this.#world.of(role).map((member) => member.ready()));
    if (holdsWire) for (const member of this.#world.of(role)) member.nats.blackhole('c2s');
    const stopped = await this.#stopped(step);
    if (stopped === undefined) return;
    this.#note(`${step} × ${target} × ${way}`);
    if (target === 'postgres' || target === 'nats') await this.#hitServer(target, { way, ms, aim }, stopped);
    else await this.#hitProcess(target === role ? stopped : this.#aimAt(target, aim), way, ms, stopped);
  }

  #aimAt(role: Role, aim: number): Member {
    const members = this.#world.of(role);
    return members[Math.floor(aim * members.length)]!;
  }

  async #hitProcess(hit: Member, way: StepFault['way'], ms: number, stopped: Member): Promise<void> {
    if (way === 'kill') await hit.kill();
    else if (way === 'freeze') hit.freeze();
    else hit.cut();
    if (way === 'cut' || hit !== stopped) stopped.continue();
    await delay(ms);
  }

  /** By turns the stopped process continues while the server is away, and after it. */
  async #hitServer(
    target: 'postgres' | 'nats',
    { way, ms, aim }: Pick<StepFault, 'way' | 'ms' | 'aim'>,
    stopped: Member,
  ): Promise<void> {
    const { members, postgres, nats } = this.#world;
    const server = target === 'postgres' ? postgres : nats;
    if (way === 'cut') for (const member of members) member[target].cut();
    else if (way === 'freeze') await server.freeze();
    else if (target === 'postgres' && aim < 0.5) await postgres.crash();
    else await server.kill();
    if (aim > 0.3) stopped.continue();
    await delay(ms);
  }

  async #special(kind: Special): Promise<void> {
    const done = await SPECIAL_FAULTS[kind](this.#world, (step) => this.#stopped(step));
    if (!done) return;
    if (kind === 'reset') this.resets++;
    this.#note(kind);
  }
}

type Stop = (step: Step) => Promise<Member | undefined>;

/** Each answers false if it did not come about. */
const SPECIAL_FAULTS: Readonly<Record<Special, (world: World, stop: Stop) => Promise<boolean>>> = {
  'relay-away': async (world, stop) => {
    const stopped = await stop('relay: stored');
    await Promise.all(world.of('relay').map((member) => member.kill()));
    await delay(AFTER_WINDOW_MS);
    return stopped !== undefined;
  },
  'relay-frozen': async (world, stop) => {
    const frozen = await held(world, stop);
    if (frozen === undefined) return false;
    await delay(SILENT_FOR_MS + TAKEN_OVER_MS);
    frozen.continue();
    frozen.heal();
    await delay(TAKEN_OVER_MS / 2);
    return true;
  },
  'late-copies': async (world, stop) => {
    const dead = await held(world, stop);
    if (dead === undefined) return false;
    await dead.kill();
    await delay(AFTER_WINDOW_MS);
    dead.heal();
    return true;
  },
  'takeover-killed': async (world, stop) => {
    const first = await stop('relay: stored');
    if (first === undefined) return false;
    const others = world.of('relay').filter((member) => member !== first);
    await first.kill();
    const successor = await stopOneAt(others, 'relay: taken over', TAKEN_OVER_MS);
    await successor?.kill();
    return successor !== undefined;
  },
  'handler-late': (_world, stop) => sleepsThroughLease(stop, 'handler: delivered'),
  'handler-within': (_world, stop) => sleepsThroughLease(stop, 'inbox: entered'),
  reset: async (world) => {
    await Promise.all(world.of('handler').map((member) => member.ready()));
    const args = [
      'group',
      'reset',
      TOPIC,
      GROUP,
      '--to',
      'start',
      '--yes',
      '--wait',
      String(RESET_WITHIN_MS),
    ];
    const { code, output, errors } = await runCommand({ args: [...args, '--server', world.nats.url] });
    if (code !== 0) throw new Error(`expected the group to be reset, found: ${output}${errors}`);
    return true;
  },
  exhausted: async ({ postgres }) => {
    const clients: pg.Client[] = [];
    while (clients.length < MOST_CONNECTIONS) {
      const client = new pg.Client(postgres.url);
      client.on('error', () => undefined);
      const isConnected = await client.connect().then(
        () => true,
        () => false,
      );
      if (!isConnected) break;
      clients.push(client);
    }
    await delay(EXHAUSTED_MS);
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
    return clients.length < MOST_CONNECTIONS;
  },
  'restart-immediate': async ({ postgres }) => {
    await postgres.restart('immediate');
    return true;
  },
};

/** A relay that stopped after a send, with its copies under way. */
async function held(world: World, stop: Stop): Promise<Member | undefined> {
  const relays = world.of('relay');
  await Promise.all(relays.map((member) => member.ready()));
  for (const member of relays) member.nats.blackhole('c2s');
  const stopped = await stop('relay: sent');
  // Another one has sent nothing: it holds no lock.
  for (const member of relays) if (member !== stopped) member.heal();
  return stopped;
}

async function sleepsThroughLease(stop: Stop, step: Step): Promise<boolean> {
  const frozen = await stop(step);
  if (frozen === undefined) return false;
  await delay(3 * LEASE_TTL_MS);
  frozen.continue();
  await delay(LEASE_TTL_MS / 2);
  return true;
}

/** Waits until all processes run. */
export async function untilAllReady(world: World): Promise<void> {
  await eventually('every process to be ready', () => world.members.every(({ isReady }) => isReady), 90_000);
}
