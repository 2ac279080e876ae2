import type { LeaseRecord } from '#library/records/lease-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryPresence } from '#library/testing/memory/memory-presence.js';
import { Dice } from '../repartition/walk-schedule.js';
import { EarlierProcess } from './earlier-process.js';
import { FakeKeyPort } from './fake-key-port.js';
import { WalkHost } from './walk-host.js';
import { type Broken, LEASE_KEY, WalkProcess, type WalkReplica } from './walk-process.js';

export interface OwnershipWalkOptions {
  readonly seed: number;
  readonly steps: number;
  readonly broken?: Broken;
  /** A rolling deploy: processes of a release without sessions take part. */
  readonly isMixed?: boolean;
}

const TTL_MS = 1_000;
const STEP_MS = 50;
const PROCESSES = 3;
const MAX_PROCESSES = 4;
const MAX_JUMP_MS = 10_000;
/** Design: an unowned partition is acquired within this. */
const ACQUIRED_WITHIN_MS = 2 * TTL_MS + 1_000;

/**
 * Processes that seek and stand by for one lease, by the real session, presence and lease. They die, freeze, are cut
 * off and begin again. Two use one name, clocks jump, leaders answer what is long past. An operator removes records
 * and keys. Requests and answers are held and lost.
 */
export class OwnershipWalk {
  readonly #clock = new ManualClock(10_000);
  readonly #key = new FakeKeyPort<LeaseRecord>();
  readonly #records = new MemoryPresence();
  readonly #dice: Dice;
  readonly #violations: string[] = [];
  #processes: WalkReplica[] = [];
  #started = 0;
  #epoch = 0;
  #isHealed = false;
  /**
   * Without its key a lease begins again at 1; the position's epoch is what grows then. Earlier releases would take
   * what an owner misses that did not hear of the deletion.
   */
  readonly #deletesKeys: boolean;
  /** Two processes use one name, or an operator removes records of sessions: both at once is more than they stand. */
  readonly #hasTwins: boolean;
  #isMixed: boolean;
  /** How often another process became the owner. */
  changes = 0;

  constructor(private readonly options: OwnershipWalkOptions) {
    this.#dice = new Dice(options.seed);
    this.#isMixed = options.isMixed === true;
    this.#deletesKeys = !this.#isMixed && this.#dice.happens(0.5);
    this.#hasTwins = !this.#isMixed && this.#dice.happens(0.5);
  }

  async run(): Promise<readonly string[]> {
    for (let index = 0; index < PROCESSES; index++) this.#spawn();
    for (let step = 0; step < this.options.steps && this.#violations.length === 0; step++) {
      this.#act();
      await this.#pass(STEP_MS);
    }
    await this.#heal();
    return this.#violations;
  }

  #spawn(name = `p${++this.#started}`): void {
    const { broken } = this.options;
    const dice = this.#dice;
    const standsWhileFrozen = broken === 'clock-stands-while-frozen';
    const host = new WalkHost({ clock: this.#clock, dice, standsWhileFrozen });
    const isEarlier = this.#isMixed && dice.happens(0.5);
    const process = new (isEarlier ? EarlierProcess : WalkProcess)({
      ...{ name, ttlMs: TTL_MS, host, dice, broken },
      ...{ key: this.#key, records: this.#records },
      acquired: (epoch) => this.#acquired(epoch),
    });
    host.faults = !this.#isHealed && dice.happens(0.5) ? 0.05 : 0;
    this.#processes.push(process);
    this.#assign(process);
  }

  #assign(process: WalkReplica): void {
    if (this.#dice.happens(0.6)) process.seek();
    else process.standBy();
  }

  #act(): void {
    const dice = this.#dice;
    const process = dice.pick(this.#processes);
    if (process === undefined || !dice.happens(0.15)) return;
    const { host } = process;
    const actions: (() => void)[] = [
      () => (host.isCut = !host.isCut),
      () => (host.isCut = false),
      () => (host.isFrozen ? host.thaw() : host.freeze()),
      () => host.thaw(),
      () => void process.readStale(true),
      () => void process.readStale(false),
      () => this.#kill(process),
      () => host.jumpWallClock(dice.below(2 * MAX_JUMP_MS) - MAX_JUMP_MS),
      () => !this.#hasTwins && this.#records.purge(process.name),
      () => this.#deletesKeys && this.#key.delete(),
      () => this.#deletesKeys && this.#purgeLease(),
      () => this.#hasTwins && this.#twin(process),
      () => !host.isFrozen && process.giveUp(),
      () => !host.isFrozen && process.startOver(),
      () => !host.isFrozen && process.handOver(),
      () => !host.isFrozen && this.#assign(process),
      () => !host.isFrozen && this.#assign(process),
    ];
    dice.pick(actions)!();
  }

  /**
   * Not announced, and it leaves no revision. A process that comes just then must find the lease in its owner's
   * session; one that hears nothing cannot.
   */
  #purgeLease(): void {
    if (this.#processes.some(({ host }) => host.isDeaf)) return;
    const { value } = this.#key;
    const session = this.#records.stored(value?.owner ?? '').value;
    if (value === undefined || session?.holds?.[LEASE_KEY] !== value.epoch) return;
    this.#key.value = undefined;
    this.#key.revision = 0;
  }

  /** Another process that uses its name. Earlier releases do not notice. */
  #twin({ name }: WalkReplica): void {
    if (this.#processes.length < MAX_PROCESSES) this.#spawn(name);
  }

  #kill(process: WalkReplica): void {
    process.host.die();
    this.#processes = this.#processes.filter((one) => one !== process);
    if (this.#processes.length < PROCESSES) this.#spawn();
  }

  #acquired(epoch: number): void {
    this.changes++;
    if (!this.#deletesKeys && epoch <= this.#epoch)
      this.#violations.push(`epoch ${epoch} is taken after epoch ${this.#epoch}`);
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  async #pass(ms: number): Promise<void> {
    await this.#clock.advance(ms);
    const owners = this.#processes.filter((process) => process.isOwner);
    if (owners.length < 2) return;
    const names = owners.map(({ name, epoch }) => `${name} in epoch ${epoch}`);
    this.#violations.push(`two owners: ${names.join(', ')}`);
  }

  /** All is well again, no earlier release is left, and all stand by. */
  async #heal(): Promise<void> {
    this.#isMixed = false;
    this.#isHealed = true;
    for (const process of this.#processes) if (process instanceof EarlierProcess) this.#kill(process);
    for (const process of this.#processes) {
      const { host } = process;
      host.faults = 0;
      host.isCut = false;
      void process.readStale(false);
      host.thaw();
      process.standBy();
    }
    // What was sent before arrives, and a lease that was given up comes to its turn.
    await this.#pass(ACQUIRED_WITHIN_MS + MAX_JUMP_MS);
    for (let ms = 0; ms < ACQUIRED_WITHIN_MS && !this.#isOwned(); ms += STEP_MS) await this.#pass(STEP_MS);
    if (!this.#isOwned()) this.#violations.push('no process owns it although all is well');
    const owner = this.#processes.find((process) => process.isOwner);
    if (owner === undefined) return;
    this.#kill(owner);
    let takenAfterMs = 0;
    for (; takenAfterMs < 2 * ACQUIRED_WITHIN_MS && !this.#isOwned(); takenAfterMs += STEP_MS)
      await this.#pass(STEP_MS);
    if (takenAfterMs > ACQUIRED_WITHIN_MS)
      this.#violations.push(`an unowned partition is taken after ${takenAfterMs} ms`);
  }

  #isOwned(): boolean {
    return this.#processes.some((process) => process.isOwner);
  }
}
