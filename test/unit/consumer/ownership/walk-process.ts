import type { Clock, Timer } from '#library/clock.js';
import { Lease } from '#library/consumer/ownership/lease.js';
import { Presence } from '#library/consumer/ownership/presence.js';
import { Session } from '#library/consumer/ownership/session.js';
import { SeenEvents } from '#library/consumer/seen-events.js';
import { silentLog } from '#library/log.js';
import type { KeyPort, StoredValue } from '#library/records/key-port.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import type { MemberRecord, PresencePort } from '#library/records/member-record.js';
import type { ManualClock } from '#library/testing/memory/manual-clock.js';
import type { MemoryPresence } from '#library/testing/memory/memory-presence.js';
import type { Dice } from '../repartition/walk-schedule.js';
import type { FakeKeyPort } from './fake-key-port.js';

/** A rule that the walk breaks, to see that it notices. */
export type Broken = 'sessions-not-compared' | 'leases-not-compared' | 'clock-stands-while-frozen';

export interface WalkProcessOptions {
  readonly name: string;
  readonly ttlMs: number;
  readonly clock: ManualClock;
  readonly dice: Dice;
  readonly key: FakeKeyPort<LeaseRecord>;
  readonly records: MemoryPresence;
  readonly broken: Broken | undefined;
  readonly acquired: (epoch: number) => void;
}

const ANSWER_WITHIN_MS = 500;
const MAX_DELAY_MS = 20;
const MAX_FIRST_BEAT = 1_000_000_000;
const MAX_HELD_MS = 6_000;

/** One process on a network that delays, holds and loses what it carries, and whose clock may jump or be unread. */
export class WalkProcess implements Clock {
  readonly session: Session;
  readonly lease: Lease;
  readonly #others: Presence;
  isCut = false;
  /** It is answered by a leader that was deposed and does not know it, and hears nothing. Its writes arrive. */
  #stale: { readonly records: MemoryPresence; readonly lease: StoredValue<LeaseRecord> } | undefined;
  /** How likely a request is held or its answer is lost. */
  faults = 0;
  #isDead = false;
  #thawed: (() => void)[] | undefined;
  #frozenAt = 0;
  #stoodMs = 0;
  #wallOffsetMs = 0;

  constructor(private readonly options: WalkProcessOptions) {
    const { name, ttlMs, records, key, acquired, dice } = options;
    const port = this.#presence(records);
    const shared = { name, port, log: silentLog, clock: this, seen: new SeenEvents() };
    const handles = { types: [], others: true };
    this.session = new Session({
      ...shared,
      member: name,
      ttlMs,
      firstBeat: dice.below(MAX_FIRST_BEAT),
      handles,
    });
    this.#others = new Presence({ ...shared, session: this.session, handles });
    this.lease = new Lease({
      ...{ name, key: '0.0', session: this.session, others: this.#others },
      ...{ port: this.#leasePort(key), clock: this, log: silentLog },
      listener: {
        acquired: () => acquired(this.lease.epoch),
        lost: () => undefined,
        startsOver: () => undefined,
        facts: () => ({}),
        holderChanged: () => undefined,
      },
    });
    this.session.start();
    this.#others.start();
  }

  /** The process may start handlers, as its own clocks say. */
  get isOwner(): boolean {
    return !this.#isDead && this.lease.isValid();
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isFrozen(): boolean {
    return this.#thawed !== undefined;
  }

  die(): void {
    this.#isDead = true;
  }

  /** Nothing runs in it; what it has sent is on its way. */
  freeze(): void {
    this.#thawed ??= [];
    this.#frozenAt = this.options.clock.now();
  }

  thaw(): void {
    const waiting = this.#thawed ?? [];
    if (this.isFrozen) this.#stoodMs += this.options.clock.now() - this.#frozenAt;
    this.#thawed = undefined;
    for (const run of waiting) run();
  }

  async readStale(isStale: boolean): Promise<void> {
    const { records, key } = this.options;
    this.#stale = isStale ? { records: records.copy(), lease: await key.read() } : undefined;
  }

  jumpWallClock(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  now(): number {
    const { clock, broken } = this.options;
    if (broken !== 'clock-stands-while-frozen') return clock.now();
    return (this.isFrozen ? this.#frozenAt : clock.now()) - this.#stoodMs;
  }

  wallNow(): number {
    if (this.options.broken === 'clock-stands-while-frozen') return this.now();
    return this.options.clock.wallNow() + this.#wallOffsetMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.options.clock.after(delayMs, () => this.#run(callback));
  }

  soon(callback: () => void): void {
    this.options.clock.soon(() => this.#run(callback));
  }

  nextTurn(callback: () => void): void {
    this.options.clock.nextTurn(() => this.#run(callback));
  }

  #run(callback: () => void): void {
    if (this.#isDead) return;
    if (this.#thawed === undefined) callback();
    else this.#thawed.push(callback);
  }

  /** A write may arrive long after its sender has given up. */
  #send<T>(carryOut: () => Promise<T>): Promise<T> {
    const { clock, dice } = this.options;
    return new Promise((resolve, reject) => {
      clock.after(ANSWER_WITHIN_MS, () => this.#run(() => reject(new Error('no answer'))));
      const isLost = dice.happens(this.faults);
      clock.after(this.#travelMs(), () => {
        if (this.isCut || this.#isDead) return;
        void carryOut().then((answer) => {
          if (!isLost) clock.after(this.#travelMs(), () => this.#run(() => resolve(answer)));
        });
      });
    });
  }

  #travelMs(): number {
    const { dice } = this.options;
    return dice.below(dice.happens(this.faults) ? MAX_HELD_MS : MAX_DELAY_MS);
  }

  /** Announcements may be missed. */
  #hear(callback: () => void): void {
    const { clock, dice } = this.options;
    if (this.isCut || this.#stale !== undefined || dice.happens(this.faults)) return;
    clock.after(dice.below(MAX_DELAY_MS), () => this.#run(callback));
  }

  #presence(records: MemoryPresence): PresencePort {
    const port = records.connect();
    const { broken } = this.options;
    const expected = (record: MemberRecord, revision: number): number =>
      broken === 'sessions-not-compared' ? records.stored(record.member).revision : revision;
    return {
      announce: (record, revision) => this.#send(() => port.announce(record, expected(record, revision))),
      list: () => this.#send(() => port.list()),
      read: (member) =>
        this.#send(() =>
          this.#stale === undefined ? port.read(member) : this.#stale.records.connect().read(member),
        ),
      remove: (member, revision) => this.#send(() => port.remove(member, revision)),
      onHint: (callback) => port.onHint((record) => this.#hear(() => callback(record))),
      close: () => port.close(),
    };
  }

  #leasePort(key: FakeKeyPort<LeaseRecord>): KeyPort<LeaseRecord> {
    const isCompared = this.options.broken !== 'leases-not-compared';
    return {
      maxBytes: key.maxBytes,
      read: () =>
        this.#send(() => (this.#stale === undefined ? key.read() : Promise.resolve(this.#stale.lease))),
      write: (value, revision) => this.#send(() => key.write(value, isCompared ? revision : key.revision)),
      onHint: (callback) => key.onHint((value) => this.#hear(() => callback(value))),
      close: () => undefined,
    };
  }
}
