import type { Clock, Timer } from '../../clock.js';
import { describeError, errorFields } from '../../errors.js';
import type { LogAt } from '../../log.js';
import type { StoredValue } from '../../records/key-port.js';
import type { LeaseSession } from '../../records/lease-record.js';
import type { HandledTypes, MemberRecord, PresencePort } from '../../records/member-record.js';
import { areMixed, describeHandled, TypesElsewhere } from './handled-types.js';
import { beatMsOf, LEASE_MARGIN_MS, type SeenExchange, type Session } from './session.js';
import type { OtherSessions, SessionListener, SessionNews, SessionTerm } from './sessions.js';
import { Sighting } from './sighting.js';

export interface PresenceOptions {
  /** For log texts. */
  readonly name: string;
  /** This process's own. */
  readonly session: Session;
  readonly port: PresencePort;
  readonly seen: SeenExchange;
  /** What this replica handles. */
  readonly handles: HandledTypes;
  readonly clock: Clock;
  readonly log: LogAt<'group'>;
}

const TRY_AGAIN_MS = 100;
/** Of beats: after a time without an answer everybody gets so much to be heard again. */
const BEATS_OF_GRACE = 2;
/** Records that were missed are looked for this rarely; all others are heard. Ended ones are removed as late. */
const TTLS_PER_LOOK = 20;
/** So long an event of a type without a handler waits for the first look at the others. */
const LOOKED_WITHIN_MS = 60_000;

/**
 * The sessions of the other replicas of a group: which replicas are alive, and which terms are over. A replica is gone
 * when it says so, or when its record has stood still for the ttl in it and a margin. That time is measured here: no
 * server clock takes part. Its modes:
 *
 * - `idle`: hears, and makes no request. Left by {@link start}.
 * - `watching`: reads all records at first and every twenty ttls, and otherwise makes no request while all are heard.
 *   A session that stands still is read once more and then ended by compare-and-set, so that its replica can never
 *   renew that term again. Its record is removed much later: until then it tells other replicas.
 * - `closed`: by {@link close}.
 */
export class Presence implements OtherSessions {
  #mode: 'idle' | 'watching' | 'closed' = 'idle';
  #looked = false;
  /** All sessions were read, or heard. */
  #knowsHolds = false;
  #nextLookAt = 0;
  #failing = false;
  #timer: Timer | undefined;
  #stepping = false;
  readonly #sightings = new Map<string, Sighting>();
  readonly #types = new TypesElsewhere();
  readonly #listeners = new Set<SessionListener>();
  #startedAt: number | undefined;
  /** Another set of members is alive, or the first look is done. */
  changed: () => void = () => undefined;

  constructor(private readonly options: PresenceOptions) {
    options.port.onHint((record) => {
      // Only a record that is stored tells that a term is over.
      if (record.ended === true || record.term > (this.#sightings.get(record.member)?.last.term ?? 0))
        this.#doubt(record);
      else this.#heard(record);
      this.#arm();
    });
  }

  /** The live replicas, in the order of their names. */
  get members(): string[] {
    const { session } = this.options;
    const others = [...this.#sightings].flatMap(([member, { isMember }]) => (isMember ? [member] : []));
    return [...(session.isPresent ? [session.member] : []), ...others].sort();
  }

  /** True if that member has lost the partition's lease of that epoch and lives. */
  hasSurvived(member: string, partition: number, epoch: number): boolean {
    const { session } = this.options;
    if (member === session.member) return session.hasSurvived(partition, epoch);
    return this.#sightings.get(member)?.record?.survived?.[partition] === epoch;
  }

  /**
   * True if another replica handles this event type, or may: until the others were looked at, they are waited for, but
   * not for ever.
   */
  handlesElsewhere(type: string): boolean {
    const now = this.options.clock.now();
    if (!this.#looked && now - (this.#startedAt ??= now) < LOOKED_WITHIN_MS) return true;
    return this.#types.has(type, now);
  }

  overSince({ owner, term }: SessionTerm): number | undefined {
    return this.#sightings.get(owner)?.overSince(term);
  }

  heldEpoch(key: string): number {
    if (!this.#knowsHolds) return Number.POSITIVE_INFINITY;
    let epoch = 0;
    for (const { isOver, record } of this.#sightings.values())
      if (!isOver) epoch = Math.max(epoch, record?.holds?.[key] ?? 0);
    return epoch;
  }

  watch({ owner, term, ttlMs }: LeaseSession): void {
    if (owner === this.options.session.member) return;
    const known = this.#sightings.get(owner);
    if (known !== undefined) known.noteTerm(term);
    else this.#sightings.set(owner, new Sighting({ member: owner, term, ttlMs }, this.options.clock.now()));
    this.#arm();
  }

  listen(listener: SessionListener): void {
    this.#listeners.add(listener);
  }

  forget(listener: SessionListener): void {
    this.#listeners.delete(listener);
  }

  start(): void {
    if (this.#mode !== 'idle') return;
    this.#mode = 'watching';
    this.#startedAt = this.options.clock.now();
    this.#arm();
  }

  close(): void {
    this.#mode = 'closed';
    this.#timer?.cancel();
    this.options.port.close();
  }

  /** Wakes up when the first session would have stood still for too long. */
  #arm(): void {
    if (this.#mode !== 'watching' || this.#stepping) return;
    const now = this.options.clock.now();
    let at = this.#nextLookAt;
    for (const sighting of this.#sightings.values()) at = Math.min(at, this.#lookAt(sighting));
    this.#timer?.cancel();
    const pauseMs = Math.max(0, at - now);
    this.#timer = this.options.clock.after(this.#failing ? Math.max(TRY_AGAIN_MS, pauseMs) : pauseMs, () => {
      this.#stepping = true;
      void this.#step().finally(() => {
        this.#stepping = false;
        this.#arm();
      });
    });
  }

  /** When a session is read again, and ended if it still stands. */
  #lookAt(sighting: Sighting): number {
    if (sighting.isDoubtful) return 0;
    if (sighting.isOver) return Number.POSITIVE_INFINITY;
    const { session } = this.options;
    // When the server was away no replica could be heard.
    const heardBy = session.answeredSince + BEATS_OF_GRACE * beatMsOf(session.ttlMs);
    return Math.max(sighting.since + sighting.ttlMs + LEASE_MARGIN_MS, heardBy);
  }

  async #step(): Promise<void> {
    const { clock, log, name, session } = this.options;
    try {
      const isFirst = !this.#looked;
      if (clock.now() >= this.#nextLookAt) await this.#lookAtAll();
      const due = [...this.#sightings.values()].filter((one) => this.#lookAt(one) <= clock.now());
      await Promise.all(due.map((one) => this.#endIfStill(one)));
      this.#failing = false;
      this.#looked = true;
      if (isFirst) this.#tellChanged();
      this.#noteHoldsKnown();
    } catch (error) {
      // No list, but each live session was heard in this time. A partition must not wait for an owner longer.
      const heardBy = (this.#startedAt ?? clock.now()) + session.ttlMs + LEASE_MARGIN_MS;
      if (clock.now() >= heardBy) this.#noteHoldsKnown();
      if (!this.#failing && this.#mode === 'watching')
        log.write(
          'replicas-not-seen',
          errorFields(error),
          `${name}: the other replicas cannot be seen, trying on: ${describeError(error)}`,
        );
      this.#failing = true;
    }
  }

  /** Finds records that are not renewed, and replicas whose writes were missed. */
  async #lookAtAll(): Promise<void> {
    const { port, session, clock } = this.options;
    const listed = await port.list();
    const now = clock.now();
    const oldMs = TTLS_PER_LOOK * session.ttlMs;
    for (const [member, sighting] of this.#sightings)
      if (sighting.isOver && now - sighting.since >= oldMs) await this.#remove(member, sighting);
    for (const member of listed) {
      const known = this.#sightings.get(member);
      if (member !== session.member && known?.isOver !== false) this.#read(await port.read(member), member);
    }
    this.#nextLookAt = clock.now() + oldMs;
  }

  async #remove(member: string, { revision }: Sighting): Promise<void> {
    this.#sightings.delete(member);
    if (revision > 0) await this.options.port.remove(member, revision);
  }

  /** Hints may be missed, records do not lie. */
  async #endIfStill(sighting: Sighting): Promise<void> {
    const { port, clock } = this.options;
    const { member } = sighting;
    const found = await port.read(member);
    if (!this.#read(found, member)) return;
    if (sighting.isOver || clock.now() < this.#lookAt(sighting)) return;
    const { beat, term } = sighting.last;
    const { ttlMs } = sighting;
    const revision = await port.announce({ member, ttlMs, beat, term, ended: true }, found.revision);
    if (revision === undefined) sighting.noteDoubt();
    else this.#noteOver(sighting, term, revision);
  }

  /** Returns false if the record was not the one that was known. */
  #read({ value, revision }: StoredValue<MemberRecord>, member: string): boolean {
    const now = this.options.clock.now();
    const known = this.#sightings.get(member);
    known?.noteRead(revision);
    if (value === undefined) {
      if (known === undefined || known.isMissing) return true;
      if (known.hasLeft) {
        // It removes its record when it holds nothing. Leases that name it all the same are read and watch it again.
        this.#sightings.delete(member);
        this.#tellListeners(known, {});
      } else known.noteMissing(now);
      this.#tellGone(known);
      return false;
    }
    if (value.ended === true) {
      const sighting = known ?? new Sighting(value, now);
      this.#sightings.set(member, sighting);
      this.#noteOver(sighting, value.term, revision);
      return false;
    }
    if (known?.record?.beat === value.beat) return true;
    this.#heard(value);
    this.#sightings.get(member)?.noteRead(revision);
    return false;
  }

  #noteOver(sighting: Sighting, term: number, revision: number): void {
    sighting.noteRead(revision);
    sighting.noteOver(term, this.options.clock.now());
    this.#tellListeners(sighting, undefined);
    this.#tellGone(sighting);
  }

  #heard(record: MemberRecord): void {
    const { session, clock, seen } = this.options;
    const { member, handles, released } = record;
    if (member === session.member || this.#mode === 'closed') return;
    if (record.seen !== undefined) seen.note(record.seen);
    const now = clock.now();
    const sighting = this.#sightings.get(member) ?? new Sighting(record, now);
    const wasMember = sighting.isMember;
    this.#sightings.set(member, sighting);
    sighting.noteRenewed(record, now);
    // A release without sessions says nothing of its leases here.
    this.#tellListeners(sighting, record.term === 0 ? undefined : (record.holds ?? {}));
    if (released === true) {
      this.#tellGone(sighting);
      return;
    }
    if (Array.isArray(handles?.types)) this.#noteHandled(member, handles);
    if (!wasMember) this.#tellChanged();
  }

  #doubt(record: MemberRecord): void {
    const { member } = record;
    if (member === this.options.session.member || this.#mode === 'closed') return;
    const known = this.#sightings.get(member);
    if (known !== undefined) known.noteDoubt();
    else this.#sightings.set(member, new Sighting(record, this.options.clock.now()));
  }

  #noteHandled(member: string, handles: HandledTypes): void {
    const { name, log, handles: own } = this.options;
    if (!this.#types.note(member, handles) || !areMixed(own, handles)) return;
    log.write(
      'handlers-differ',
      { member },
      `${name}: this replica handles ${describeHandled(own)}, and another one (${member}) handles ` +
        `${describeHandled(handles)}: neither has all types of the other, so events wait for each other's owner; ` +
        'give each service a group of its own, or all replicas the same handlers',
    );
  }

  #tellGone({ member }: Sighting): void {
    this.#types.noteGone(member, this.options.clock.now());
    this.#tellChanged();
  }

  #tellListeners({ member, last, ttlMs }: Sighting, holds: SessionNews['holds']): void {
    for (const listener of this.#listeners) listener.sessionHeard({ member, term: last.term, ttlMs, holds });
  }

  #noteHoldsKnown(): void {
    if (this.#knowsHolds) return;
    this.#knowsHolds = true;
    for (const listener of this.#listeners) listener.othersSeen();
  }

  #tellChanged(): void {
    if (this.#looked && this.options.session.isPresent) this.changed();
  }
}
