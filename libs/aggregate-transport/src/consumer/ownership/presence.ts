import { type Clock, delay, type Timer } from '../../clock.js';
import { describeError } from '../../errors.js';
import type { Log } from '../../log.js';
import { areMixed, describeHandled, TypesElsewhere } from './handled-types.js';
import type { HandledTypes, MemberRecord, PresencePort, SeenEvent } from '../../records/member-record.js';
import { LEASE_MARGIN_MS } from './lease.js';

/** What replicas tell each other of the stream. */
export interface SeenExchange {
  readonly latest: SeenEvent | undefined;
  note(event: SeenEvent): void;
}

export interface PresenceOptions {
  /** For log texts. */
  readonly name: string;
  /** Names this process; no other may use the same name. */
  readonly member: string;
  /** A replica that is not heard for this long and a margin is gone, in milliseconds. */
  readonly ttlMs: number;
  readonly port: PresencePort;
  readonly seen: SeenExchange;
  /** What this replica handles, for the others. */
  readonly handles: HandledTypes;
  readonly clock: Clock;
  readonly log: Log;
  /** Another set of members is alive, or the first look is done. */
  readonly changed: () => void;
}

/** As often as leases are renewed: a replica that dies is missed when its leases run out, not later. */
const BEATS_PER_TTL = 5;
const TRY_AGAIN_MS = 100;
/** A replica that goes tries for so long to tell the others. */
const WITHDRAW_WITHIN_MS = 3_000;
/** Of beats: after a time without an answer everybody gets so much to be heard again. */
const BEATS_OF_GRACE = 2;
/** Records of replicas that died unseen are looked for this rarely; all others are heard. */
const TTLS_PER_LOOK = 20;
/** So long an event of a type without a handler waits for the first look at the others. */
const LOOKED_WITHIN_MS = 60_000;

/** The last write of another replica that this process knows of, and since when, on its own clock. */
interface Sighting {
  readonly beat: number;
  readonly ttlMs: number;
  readonly since: number;
  readonly survived: MemberRecord['survived'];
}

/**
 * Which replicas of a group are alive, this one included. It only decides which replica tries for which lease, so a
 * wrong answer delays and breaks nothing. A replica is gone when it says so, or when its record stood unchanged for the
 * ttl in it and a margin. That time is measured here: no server clock takes part. Its modes:
 *
 * - `idle`: takes no part. Left by {@link start}.
 * - `present`: writes its own record five times per ttl and hears those of others. One that falls silent is
 *   read before it counts as gone, and then its record is removed, so that none is left.
 * - `gone`: by {@link withdraw}.
 */
export class Presence {
  #mode: 'idle' | 'present' | 'gone' = 'idle';
  #beat = 0;
  #revision = 0;
  #looked = false;
  #nextLookAt = 0;
  #failing = false;
  #timer: Timer | undefined;
  #stepping: Promise<void> | undefined;
  readonly #others = new Map<string, Sighting>();
  readonly #types = new TypesElsewhere();
  #startedAt: number | undefined;
  #survived: Record<number, number> = {};
  /** Something that the others have not been told. */
  #hasNews = false;

  constructor(private readonly options: PresenceOptions) {
    options.port.onHint((record) => this.#heard(record));
  }

  /** False until the first look at the others has succeeded. */
  get hasLooked(): boolean {
    return this.#looked;
  }

  /** The live replicas, in the order of their names. */
  get members(): string[] {
    const own = this.#mode === 'present' ? [this.options.member] : [];
    return [...own, ...this.#others.keys()].sort();
  }

  /** This process has lost the partition's lease of that epoch and lives. The next owner needs to hear it soon. */
  noteSurvived(partition: number, epoch: number): void {
    this.#survived = { ...this.#survived, [partition]: epoch };
    this.#hasNews = true;
    if (this.#mode === 'present') this.#next(0);
  }

  /** Another layout: its partitions have leases of their own. */
  forgetSurvived(): void {
    this.#survived = {};
  }

  /** True if that member has lost the partition's lease of that epoch and lives. */
  hasSurvived(member: string, partition: number, epoch: number): boolean {
    if (member === this.options.member) return this.#survived[partition] === epoch;
    return this.#others.get(member)?.survived?.[partition] === epoch;
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

  start(): void {
    if (this.#mode !== 'idle') return;
    this.#mode = 'present';
    this.#startedAt = this.options.clock.now();
    this.#next(0);
  }

  /**
   * Says that this replica goes, so that others take over at once, and leaves nothing behind. Tries for so long,
   * because a connection that is away may be back in a moment. Safe to call twice.
   */
  async withdraw(withinMs: number): Promise<void> {
    if (this.#mode !== 'present') {
      this.#mode = 'gone';
      this.options.port.close();
      return;
    }
    this.#mode = 'gone';
    this.#timer?.cancel();
    // A write under way would make this replica look alive again.
    await this.#stepping;
    const { port, member, clock, log, name } = this.options;
    const until = clock.now() + Math.min(withinMs, WITHDRAW_WITHIN_MS);
    for (let isTold = false; !isTold;) {
      try {
        await this.#announce(true);
        await port.remove(member, this.#revision);
        isTold = true;
      } catch (error) {
        if (clock.now() >= until) {
          log.warn(
            `${name}: the others were not told that this replica goes, they miss it soon: ${describeError(error)}`,
          );
          break;
        }
        await delay(clock, TRY_AGAIN_MS);
      }
    }
    port.close();
  }

  #next(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.options.clock.after(delayMs, () => {
      this.#stepping ??= this.#step().finally(() => {
        this.#stepping = undefined;
        if (this.#mode === 'present') this.#next(this.#pauseMs());
      });
    });
  }

  #pauseMs(): number {
    if (this.#failing) return TRY_AGAIN_MS;
    return this.#hasNews ? 0 : this.#beatMs();
  }

  #beatMs(): number {
    return this.options.ttlMs / BEATS_PER_TTL;
  }

  async #step(): Promise<void> {
    const { clock, log, name, ttlMs, changed } = this.options;
    try {
      await this.#announce(false);
      if (this.#failing) this.#excuseSilence();
      const isFirst = !this.#looked;
      if (clock.now() >= this.#nextLookAt) {
        await this.#look();
        this.#nextLookAt = clock.now() + TTLS_PER_LOOK * ttlMs;
        this.#looked = true;
      }
      await this.#bury();
      this.#failing = false;
      if (isFirst && this.#isPresent()) changed();
    } catch (error) {
      if (!this.#failing && this.#isPresent()) {
        log.warn(`${name}: the other replicas cannot be seen, trying on: ${describeError(error)}`);
      }
      this.#failing = true;
    }
  }

  async #announce(released: boolean): Promise<void> {
    const { port, member, ttlMs, seen, handles } = this.options;
    const known = seen.latest === undefined ? {} : { seen: seen.latest };
    const record = { member, ttlMs, beat: ++this.#beat, survived: this.#survived, handles, ...known };
    this.#hasNews = false;
    this.#revision = await port.announce(released ? { ...record, released } : record);
  }

  /** Finds records that are not renewed, and replicas whose writes were missed. */
  async #look(): Promise<void> {
    for (const member of await this.options.port.list()) {
      if (member !== this.options.member && !this.#others.has(member)) await this.#read(member);
    }
  }

  /** When the server was away no replica could be heard. */
  #excuseSilence(): void {
    const now = this.options.clock.now();
    for (const [member, one] of this.#others) {
      const least = now - one.ttlMs - LEASE_MARGIN_MS + BEATS_OF_GRACE * this.#beatMs();
      if (one.since < least) this.#others.set(member, { ...one, since: least });
    }
  }

  /** A replica that was silent for too long is read once more: hints may be missed, records do not lie. */
  async #bury(): Promise<void> {
    const now = this.options.clock.now();
    for (const [member, { since, ttlMs }] of this.#others) {
      if (now - since >= ttlMs + LEASE_MARGIN_MS) await this.#read(member);
    }
  }

  async #read(member: string): Promise<void> {
    const { port, clock } = this.options;
    const { value, revision } = await port.read(member);
    const known = this.#others.get(member);
    if (value === undefined) {
      this.#remove(member);
    } else if (value.released === true) {
      this.#remove(member);
      await port.remove(member, revision);
    } else if (known?.beat !== value.beat) {
      this.#heard(value);
    } else if (clock.now() - known.since >= known.ttlMs + LEASE_MARGIN_MS) {
      this.#remove(member);
      await port.remove(member, revision);
    }
  }

  #heard({ member, beat, ttlMs, released, survived, seen, handles }: MemberRecord): void {
    if (member === this.options.member || this.#mode === 'gone') return;
    if (seen !== undefined) this.options.seen.note(seen);
    if (released === true) {
      this.#remove(member);
      return;
    }
    if (Array.isArray(handles?.types)) this.#noteHandled(member, handles);
    const isNew = !this.#others.has(member);
    this.#others.set(member, { beat, ttlMs, since: this.options.clock.now(), survived });
    if (isNew && this.#looked) this.options.changed();
  }

  #noteHandled(member: string, handles: HandledTypes): void {
    const { name, log, handles: own } = this.options;
    if (!this.#types.note(member, handles) || !areMixed(own, handles)) return;
    log.warn(
      `${name}: this replica handles ${describeHandled(own)}, and another one (${member}) handles ` +
        `${describeHandled(handles)}: neither has all types of the other, so events wait for each other's owner; ` +
        'give each service a group of its own, or all replicas the same handlers',
    );
  }

  #remove(member: string): void {
    this.#types.noteGone(member, this.options.clock.now());
    if (this.#others.delete(member) && this.#looked && this.#isPresent()) this.options.changed();
  }

  #isPresent(): boolean {
    return this.#mode === 'present';
  }
}
