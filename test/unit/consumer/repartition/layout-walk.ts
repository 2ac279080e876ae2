import { DrainUnowned } from '#library/consumer/repartition/drain-unowned.js';
import { Repartition, type WantedChange } from '#library/consumer/repartition/repartition.js';
import type { RepartitionKey, RepartitionPorts } from '#library/consumer/repartition/repartition-ports.js';
import { describeError } from '#library/errors.js';
import type { GroupRecord } from '#library/records/group-record.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { CREATED, without } from './positions.js';
import { WalkReplica } from './walk-replica.js';
import { Dice, Process, Schedule } from './walk-schedule.js';
import { World } from './walk-world.js';

/** A rule that is broken on purpose, to see that the walk notices. */
export type Broken =
  | 'none'
  | 'marks-ignored'
  | 'epochs-fall'
  | 'origin-lost'
  | 'high-too-far'
  | 'group-not-compared'
  | 'leases-not-waited-for';

export interface WalkOptions {
  readonly seed: number;
  /** Steps with faults; then all is let come to its end. */
  readonly steps: number;
  /** How probable with each step: a kill, a sleep, a deleted lease. With 0 nothing goes wrong, and no lease runs out. */
  readonly faults: number;
  /** Changes are resets only. */
  readonly onlyResets?: boolean;
  readonly broken?: Broken;
}

const COUNTS = [1, 2, 4];
const END_WITHIN_STEPS = 20_000;

/** Random walks of replicas and commands over one group. */
export class LayoutWalk {
  readonly world: World;
  readonly #dice: Dice;
  readonly #schedule: Schedule;
  #replicas: WalkReplica[] = [];
  #commands: Process[] = [];
  #names = 0;
  #failure: unknown;

  constructor(private readonly options: WalkOptions) {
    this.#dice = new Dice(options.seed);
    this.#schedule = new Schedule(this.#dice);
    this.#schedule.isFaulty = options.faults > 0;
    this.world = new World(this.#dice.pick(COUNTS) ?? 1);
  }

  /** Resolves with what must never happen and did. */
  async run(): Promise<readonly string[]> {
    const { steps, faults } = this.options;
    for (let replica = 0; replica < 2; replica++) this.#startReplica();
    for (let event = 0; event < 8; event++) this.world.publish(this.#dice.below(6));
    for (let step = 0; step < steps && !this.#isOver(); step++) {
      if (faults > 0 && this.#dice.happens(0.15)) this.world.pass(this.#dice.below(600));
      if (this.#dice.happens(0.02) && this.world.keys.events.length < 40)
        this.world.publish(this.#dice.below(6));
      if (this.#dice.happens(0.04) && this.#commands.length < 3) this.#startCommand();
      if (this.#dice.happens(faults)) this.#fault();
      await this.#schedule.advance();
    }
    await this.#end();
    if (this.#failure !== undefined) this.world.violations.push(`failed: ${describeError(this.#failure)}`);
    return this.world.violations;
  }

  #isOver(): boolean {
    return this.world.violations.length > 0 || this.#failure !== undefined;
  }

  /** Nothing goes wrong any more; a command without replicas, then a new replica, bring all to an end. */
  async #end(): Promise<void> {
    const isCalm = this.options.faults === 0;
    this.#schedule.isFaulty = false;
    if (!isCalm) for (const replica of this.#replicas) if (this.#dice.happens(0.5)) replica.die();
    const command = this.#process('last-command');
    this.#launch(this.#carryOut(command, undefined));
    let isJoined = false;
    for (let step = 0; step < END_WITHIN_STEPS && !this.#isOver(); step++) {
      if (this.world.keys.record.change === undefined && !isJoined) {
        isJoined = true;
        this.#startReplica();
      }
      if (isJoined && this.world.isDone()) return;
      if (!isCalm && this.#dice.happens(0.03)) this.world.pass(this.#dice.below(600));
      await this.#schedule.advance();
    }
    if (!this.#isOver()) this.world.violations.push('it does not come to its end');
  }

  #fault(): void {
    const kind = this.#dice.below(4);
    if (kind === 0) {
      this.#replicas.splice(this.#dice.below(this.#replicas.length), 1)[0]?.die();
      this.#startReplica();
    } else if (kind === 1) {
      const command = this.#commands.splice(this.#dice.below(this.#commands.length), 1)[0];
      if (command !== undefined) command.alive = false;
    } else if (kind === 2) this.#sleep();
    else this.#deleteLease();
  }

  #sleep(): void {
    const process = this.#dice.pick(this.#processes);
    if (process !== undefined) process.sleepsUntil = this.#schedule.step + this.#dice.below(400);
  }

  /** Only of a partition that no living process may believe to own: a deleted lease counts as free. */
  #deleteLease(): void {
    const leases = [...this.world.keys.leases.values()].filter(
      ({ stored: { value } }) => value !== undefined,
    );
    const key = this.#dice.pick(leases);
    const value = key?.stored.value;
    if (key === undefined || value === undefined) return;
    if (value.released === true || !this.#processes.some(({ alive, name }) => alive && name === value.owner))
      key.put(undefined);
  }

  readonly #processes: Process[] = [];

  #process(kind: string): Process {
    const process = new Process(`${kind}-${this.#names++}`);
    this.#processes.push(process);
    return process;
  }

  #startReplica(): void {
    const process = this.#process('replica');
    const { world } = this;
    const replica = new WalkReplica({
      ...{ world, process, schedule: this.#schedule, ports: this.#portsOf(process), dice: this.#dice },
      ignoresMarks: this.options.broken === 'marks-ignored',
    });
    this.#replicas.push(replica);
    this.#launch(replica.run());
  }

  #startCommand(): void {
    const process = this.#process('command');
    this.#commands.push(process);
    const kind = this.#dice.below(3);
    const { keys } = this.world;
    if (kind === 0 && this.options.onlyResets !== true) {
      this.#launch(this.#carryOut(process, { to: this.#dice.pick(COUNTS) ?? 1 }));
    } else if (kind === 1) {
      const start = { sequence: this.#dice.below(keys.events.length + 1), created: CREATED };
      const to = this.#dice.happens(0.5) ? keys.record.partitions : (this.#dice.pick(COUNTS) ?? 1);
      this.#launch(this.#carryOut(process, { to, id: process.name, start }));
    } else if (kind === 2) {
      this.#launch(this.#cancel(process));
    }
  }

  #launch(work: Promise<void>): void {
    work.catch((error: unknown) => {
      this.#failure = error;
    });
  }

  async #cancel(process: Process): Promise<void> {
    const repartition = new Repartition('walk', this.#portsOf(process));
    await this.#retried(process, () => repartition.cancel());
    this.#over(process);
  }

  /** What a command does; without `wanted` it continues the change under way. */
  async #carryOut(process: Process, wanted: WantedChange | undefined): Promise<void> {
    const ports = this.#portsOf(process);
    const repartition = new Repartition('walk', ports);
    const { world } = this;
    let hurry = 0;
    const now = (): number =>
      this.options.broken === 'leases-not-waited-for' ? world.now + (hurry += 10_000) : world.now;
    const clock = Object.assign(new ManualClock(), { now });
    const drain = new DrainUnowned({ name: 'walk', ports, clock, owner: process.name });
    try {
      if (wanted !== undefined) await this.#retried(process, () => repartition.begin(wanted));
    } catch (error) {
      if ((error as { code?: string }).code !== 'CHANGE_UNDER_WAY') throw error;
    }
    for (;;) {
      const progress = await this.#retried(process, () => repartition.advance(drain.lost));
      if (progress.kind === 'none') break;
      await this.#retried(process, () => drain.pass(progress));
      await this.#schedule.turn(process);
    }
    this.#over(process);
  }

  async #retried<T>(process: Process, step: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await step();
      } catch (error) {
        if ((error as { code?: string }).code !== 'JETSTREAM_REQUEST_FAILED') throw error;
        await this.#schedule.turn(process);
      }
    }
  }

  #over(process: Process): void {
    this.#commands = this.#commands.filter((command) => command !== process);
  }

  /** The ports of one process: every request waits for its turn. */
  #portsOf(process: Process): RepartitionPorts {
    const { keys } = this.world;
    const { broken } = this.options;
    const send = <T>(carryOut: () => Promise<T>): Promise<T> => this.#schedule.request(process, carryOut);
    const wrap = <T>(key: RepartitionKey<T>, spoil = (value: T): T => value): RepartitionKey<T> => ({
      maxBytes: key.maxBytes,
      read: () => send(() => key.read()),
      write: (value, revision) => send(() => key.write(spoil(value), revision)),
    });
    const group: RepartitionKey<GroupRecord> = wrap(keys.group);
    const careless: RepartitionKey<GroupRecord> = {
      ...group,
      write: (value) => send(() => keys.group.write(value, keys.group.stored.revision)),
    };
    return {
      group: broken === 'group-not-compared' ? careless : group,
      lease: (place) => wrap(keys.lease(place)),
      position: (place) => wrap(keys.position(place), (record) => spoiled(record, broken)),
      sessions: {
        read: (member) => send(() => keys.sessions.read(member)),
        announce: (record, revision) => send(() => keys.sessions.announce(record, revision)),
      },
      stream: () => send(() => keys.stream()),
      firstAfter: (place, sequence) => send(() => keys.firstAfter(place, sequence)),
      lastBefore: (time) => send(() => keys.lastBefore(time)),
      countAfter: (place, sequence) => send(() => keys.countAfter(place, sequence)),
      places: () => send(() => keys.places()),
      parkedEpoch: () => send(() => keys.parkedEpoch()),
      hasPositions: () => send(() => keys.hasPositions()),
      ensurePositions: () => send(() => keys.ensurePositions()),
    };
  }
}

/** A prepared record, as a mistake in preparing it would make it. */
function spoiled(record: PositionRecord, broken: Broken | undefined): PositionRecord {
  if (record.write !== 0) return record;
  if (broken === 'epochs-fall') return { ...record, epoch: 0 };
  if (broken === 'high-too-far') return { ...record, high: record.high + 2 };
  if (broken !== 'origin-lost') return record;
  return without(record, 'origin');
}
