import type { LeaseRecord } from '#library/records/lease-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryPresence } from '#library/testing/memory/memory-presence.js';
import { Dice } from '../repartition/walk-schedule.js';
import { FakeKeyPort } from './fake-key-port.js';
import { type Broken, WalkProcess } from './walk-process.js';

export interface OwnershipWalkOptions {
  readonly seed: number;
  readonly steps: number;
  readonly broken?: Broken;
}

const TTL_MS = 1_000;
const STEP_MS = 50;
const PROCESSES = 3;
const MAX_JUMP_MS = 10_000;
/** Design: an unowned partition is acquired within this. */
const ACQUIRED_WITHIN_MS = 2 * TTL_MS + 1_000;

/**
 * Processes that seek and stand by for one lease, by the real session, presence and lease. They die, freeze, are cut off
 * and begin again; clocks jump; leaders answer what is long past; an operator removes records. Requests and answers are
 * held and lost.
 */
export class OwnershipWalk {
  readonly #clock = new ManualClock(10_000);
  readonly #key = new FakeKeyPort<LeaseRecord>();
  readonly #records = new MemoryPresence();
  readonly #dice: Dice;
  readonly #violations: string[] = [];
  #processes: WalkProcess[] = [];
  #started = 0;
  #epoch = 0;
  /** How often another process became the owner. */
  changes = 0;

  constructor(private readonly options: OwnershipWalkOptions) {
    this.#dice = new Dice(options.seed);
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

  #spawn(): void {
    const { broken } = this.options;
    const process = new WalkProcess({
      ...{ name: `p${++this.#started}`, ttlMs: TTL_MS, clock: this.#clock, dice: this.#dice },
      ...{ key: this.#key, records: this.#records, broken },
      acquired: (epoch) => this.#acquired(epoch),
    });
    process.faults = this.#dice.happens(0.5) ? 0.05 : 0;
    this.#processes.push(process);
    this.#assign(process);
  }

  #assign({ lease }: WalkProcess): void {
    if (this.#dice.happens(0.6)) lease.seek();
    else lease.standBy();
  }

  #act(): void {
    const dice = this.#dice;
    const process = dice.pick(this.#processes);
    if (process === undefined || !dice.happens(0.15)) return;
    const actions: (() => void)[] = [
      () => (process.isCut = !process.isCut),
      () => (process.isCut = false),
      () => (process.isFrozen ? process.thaw() : process.freeze()),
      () => process.thaw(),
      () => void process.readStale(true),
      () => void process.readStale(false),
      () => this.#kill(process),
      () => process.jumpWallClock(dice.below(2 * MAX_JUMP_MS) - MAX_JUMP_MS),
      () => this.#records.purge(process.session.member),
      () => !process.isFrozen && process.lease.giveUp('the walk says so'),
      () => !process.isFrozen && process.lease.startOver('the walk says so'),
      () => !process.isFrozen && void process.lease.handOver(),
      () => !process.isFrozen && this.#assign(process),
      () => !process.isFrozen && this.#assign(process),
    ];
    dice.pick(actions)!();
  }

  #kill(process: WalkProcess): void {
    process.die();
    this.#processes = this.#processes.filter((one) => one !== process);
    this.#spawn();
  }

  #acquired(epoch: number): void {
    this.changes++;
    if (epoch <= this.#epoch) this.#violations.push(`epoch ${epoch} is taken after epoch ${this.#epoch}`);
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  async #pass(ms: number): Promise<void> {
    await this.#clock.advance(ms);
    const owners = this.#processes.filter((process) => process.isOwner);
    if (owners.length < 2) return;
    const names = owners.map(({ session, lease }) => `${session.member} in epoch ${lease.epoch}`);
    this.#violations.push(`two owners: ${names.join(', ')}`);
  }

  /** All is well again, and one process is meant to own it. */
  async #heal(): Promise<void> {
    for (const process of this.#processes) {
      process.faults = 0;
      process.isCut = false;
      void process.readStale(false);
      process.thaw();
      process.lease.standBy();
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
