import { Lease } from '#library/consumer/ownership/lease.js';
import { Presence } from '#library/consumer/ownership/presence.js';
import { Session } from '#library/consumer/ownership/session.js';
import { SeenEvents } from '#library/consumer/seen-events.js';
import { silentLog } from '#library/log.js';
import type { KeyPort, StoredValue } from '#library/records/key-port.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import type { MemberRecord, PresencePort } from '#library/records/member-record.js';
import type { MemoryPresence } from '#library/testing/memory/memory-presence.js';
import type { Dice } from '../repartition/walk-schedule.js';
import type { FakeKeyPort } from './fake-key-port.js';
import type { WalkHost } from './walk-host.js';

/** A rule that the walk breaks, to see that it notices. */
export type Broken =
  | 'sessions-not-compared'
  | 'leases-not-compared'
  | 'clock-stands-while-frozen'
  /** A session is ended although it may be renewed. */
  | 'ttl-not-waited-for'
  /** Leases do not claim to stand for longer than releases without sessions wait. */
  | 'ttl-told-to-all'
  /** A process takes the record of its name for its own. */
  | 'beats-begin-alike'
  /** Sessions do not say which leases they hold. */
  | 'holds-not-told';

/** A process of the walk, of this release or of one before. */
export interface WalkReplica {
  readonly name: string;
  readonly host: WalkHost;
  readonly epoch: number;
  /** The process may start handlers, as its own clocks say. */
  readonly isOwner: boolean;
  seek(): void;
  standBy(): void;
  giveUp(): void;
  startOver(): void;
  handOver(): void;
  /** It is answered by a leader that was deposed and does not know it, and hears nothing. Its writes arrive. */
  readStale(isStale: boolean): Promise<void>;
}

export interface WalkProcessOptions {
  readonly name: string;
  readonly ttlMs: number;
  readonly host: WalkHost;
  readonly dice: Dice;
  readonly key: FakeKeyPort<LeaseRecord>;
  readonly records: MemoryPresence;
  readonly broken: Broken | undefined;
  readonly acquired: (epoch: number) => void;
}

export const LEASE_KEY = '0.0';
const MAX_FIRST_BEAT = 1_000_000_000;
const WHY = 'the walk says so';

/** One process of this release: the real session, presence and lease. */
export class WalkProcess implements WalkReplica {
  readonly name: string;
  readonly host: WalkHost;
  readonly #session: Session;
  readonly #lease: Lease;
  #stale: { readonly records: MemoryPresence; readonly lease: StoredValue<LeaseRecord> } | undefined;

  constructor(private readonly options: WalkProcessOptions) {
    const { name, ttlMs, host, key, acquired, dice, broken } = options;
    this.name = name;
    this.host = host;
    const shared = { name, port: this.#presence(), log: silentLog, clock: host, seen: new SeenEvents() };
    const handles = { types: [], others: true };
    const firstBeat = broken === 'beats-begin-alike' ? 0 : dice.below(MAX_FIRST_BEAT);
    this.#session = new Session({ ...shared, member: name, ttlMs, firstBeat, handles });
    const others = new Presence({ ...shared, session: this.#session, handles });
    this.#lease = new Lease({
      ...{ name, key: LEASE_KEY, session: this.#session, others },
      ...{ port: this.#leasePort(key), clock: host, log: silentLog },
      listener: {
        acquired: () => acquired(this.#lease.epoch),
        lost: () => undefined,
        startsOver: () => undefined,
        facts: () => ({}),
        isAtRest: () => true,
        holderChanged: () => undefined,
      },
    });
    this.#session.start();
    others.start();
  }

  get epoch(): number {
    return this.#lease.epoch;
  }

  get isOwner(): boolean {
    return !this.host.isDead && this.#lease.isValid();
  }

  seek(): void {
    this.#lease.seek();
  }

  standBy(): void {
    this.#lease.standBy();
  }

  giveUp(): void {
    this.#lease.giveUp(WHY);
  }

  startOver(): void {
    this.#lease.startOver(WHY);
  }

  handOver(): void {
    void this.#lease.handOver();
  }

  async readStale(isStale: boolean): Promise<void> {
    const { records, key, host } = this.options;
    host.isDeaf = isStale;
    this.#stale = isStale ? { records: records.copy(), lease: await key.read() } : undefined;
  }

  #presence(): PresencePort {
    const { broken, host, records } = this.options;
    const port = records.connect();
    const expected = (record: MemberRecord, revision: number): number =>
      broken === 'sessions-not-compared' ? records.stored(record.member).revision : revision;
    const written = (record: MemberRecord): MemberRecord =>
      broken === 'holds-not-told' && record.holds !== undefined ? { ...record, holds: {} } : record;
    const found = (record: MemberRecord): MemberRecord =>
      broken === 'ttl-not-waited-for' ? { ...record, ttlMs: 0 } : record;
    const read = async (member: string): Promise<StoredValue<MemberRecord>> => {
      const { value, revision } = await (this.#stale?.records.connect() ?? port).read(member);
      return { value: value && found(value), revision };
    };
    return {
      announce: (record, revision) =>
        host.send(() => port.announce(written(record), expected(record, revision))),
      list: () => host.send(() => port.list()),
      read: (member) => host.send(() => read(member)),
      remove: (member, revision) => host.send(() => port.remove(member, revision)),
      onHint: (callback) => port.onHint((record) => host.hear(() => callback(found(record)))),
      close: () => port.close(),
    };
  }

  #leasePort(key: FakeKeyPort<LeaseRecord>): KeyPort<LeaseRecord> {
    const { broken, host } = this.options;
    const written = (value: LeaseRecord): LeaseRecord =>
      broken === 'ttl-told-to-all' ? { ...value, ttlMs: this.options.ttlMs } : value;
    return {
      maxBytes: key.maxBytes,
      read: () =>
        host.send(() => (this.#stale === undefined ? key.read() : Promise.resolve(this.#stale.lease))),
      write: (value, revision) =>
        host.send(() =>
          key.write(written(value), broken === 'leases-not-compared' ? key.revision : revision),
        ),
      onHint: (callback) => key.onHint((value) => host.hear(() => callback(value))),
      close: () => undefined,
    };
  }
}
