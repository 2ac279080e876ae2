import { type Clock, delay, type Timer } from '../../clock.js';
import { describeError, errorFields } from '../../errors.js';
import type { LogAt } from '../../log.js';
import type { HandledTypes, MemberRecord, PresencePort, SeenEvent } from '../../records/member-record.js';
import { Deadline } from './deadline.js';
import type { OwnSession, SessionTenant } from './sessions.js';

/** The owner counts its time short by this much, a contender counts it long: clocks run at different speeds. */
export const LEASE_MARGIN_MS = 200;
const BEATS_PER_TTL = 4;
const RENEW_AGAIN_MS = 50;
const REMOVE_AGAIN_MS = 100;
/** A replica that goes tries for so long to remove its record. */
const REMOVE_WITHIN_MS = 3_000;

/** What replicas tell each other of the stream. */
export interface SeenExchange {
  readonly latest: SeenEvent | undefined;
  note(event: SeenEvent): void;
}

export interface SessionOptions {
  /** For log texts. */
  readonly name: string;
  /** Names this process; no other may use the same name. */
  readonly member: string;
  /** Beats count from here. Drawn at random, so that a process which uses the same name all the same is noticed. */
  readonly firstBeat: number;
  /** The session is over if it was not renewed for this long, in milliseconds. */
  readonly ttlMs: number;
  readonly port: PresencePort;
  readonly seen: SeenExchange;
  /** What this replica handles, for the others. */
  readonly handles: HandledTypes;
  readonly clock: Clock;
  readonly log: LogAt<'group'>;
}

/** How often a session is renewed, in milliseconds. */
export function beatMsOf(ttlMs: number): number {
  return ttlMs / BEATS_PER_TTL;
}

/**
 * This process as a replica of a group. All its leases are valid as long as one term of this session is. The record is
 * written by compare-and-set on its own last write, so a replica that ends it keeps every later renewal from counting.
 * No server clock takes part, so no clock of another host can end or prolong it. Its modes:
 *
 * - `idle`: takes no part. Left by {@link start}.
 * - `present`: renews its record four times per ttl. The first confirmed write begins a term. It is over when its
 *   deadline passes, or when the record is not this process's last write any more. The next confirmed write begins the
 *   next term.
 * - `leaving`: as before, but the others are told that it wants no partition any more.
 * - `gone`: by {@link end}.
 */
export class Session implements OwnSession {
  #mode: 'idle' | 'present' | 'leaving' | 'gone' = 'idle';
  /** The last term that began, or that is known to be over. */
  #term = 0;
  /** The last term that a write named. Without an answer it may have been stored, and ended since. */
  #writtenTerm = 0;
  #isInTerm = false;
  #beat: number;
  /** Of the last confirmed write. */
  #confirmedBeat: number;
  #revision = 0;
  #hasNews = false;
  #saidLeaving = false;
  #survived: Record<number, number> = {};
  #failing = false;
  /** A record of this name that a living process may have written, and since when it stands. */
  #foreign: { readonly revision: number; readonly since: number } | undefined;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #answeredSince = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #stepping: Promise<void> | undefined;
  readonly #tenants = new Set<SessionTenant>();
  readonly #deadline: Deadline;

  constructor(private readonly options: SessionOptions) {
    this.#beat = this.#confirmedBeat = options.firstBeat;
    // A renewal that waits for its answer must not keep handlers from hearing that the time is over.
    this.#deadline = new Deadline(options.clock, () => this.#endIfOver());
  }

  get member(): string {
    return this.options.member;
  }

  get ttlMs(): number {
    return this.options.ttlMs;
  }

  get term(): number {
    return this.remainingMs() > 0 ? this.#term : 0;
  }

  /** True for a replica that wants partitions. */
  get isPresent(): boolean {
    return this.#mode === 'present';
  }

  get renewedAt(): number {
    return this.#renewedAt;
  }

  get answeredSince(): number {
    return this.#answeredSince;
  }

  /** Reads the clocks, so that a process that was frozen finds out before it starts anything. */
  remainingMs(): number {
    return this.#isInTerm ? this.#deadline.remainingMs() : 0;
  }

  join(tenant: SessionTenant): void {
    this.#tenants.add(tenant);
  }

  leave(tenant: SessionTenant): void {
    this.#tenants.delete(tenant);
  }

  /** This process has lost the partition's lease of that epoch and lives. The next owner needs to hear it soon. */
  noteSurvived(partition: number, epoch: number): void {
    this.#survived = { ...this.#survived, [partition]: epoch };
    this.#tell();
  }

  /** Another layout: its partitions have leases of their own. */
  forgetSurvived(): void {
    this.#survived = {};
  }

  hasSurvived(partition: number, epoch: number): boolean {
    return this.#survived[partition] === epoch;
  }

  start(): void {
    if (this.#mode !== 'idle') return;
    this.#mode = 'present';
    this.#next(0);
  }

  /** Tells the others that this replica goes. Keeps the session for what it still holds. Safe to call twice. */
  leaveGroup(): void {
    if (this.#mode !== 'present') return;
    this.#mode = 'leaving';
    this.#tell();
  }

  /**
   * The session is over. `isAtRest`: this process holds nothing and its record is removed, within `withinMs` or 3 s.
   * Otherwise the record stands still, until another replica ends it. Safe to call twice.
   */
  async end(isAtRest: boolean, withinMs: number): Promise<void> {
    const wasAlive = this.#isAlive();
    this.#mode = 'gone';
    this.#timer?.cancel();
    this.#over('this replica goes');
    // A write under way would bring the record back.
    await this.#stepping;
    if (!wasAlive || !isAtRest || this.#beat === this.options.firstBeat) return;
    const { port, member, clock, log, name } = this.options;
    const until = clock.now() + Math.min(withinMs, REMOVE_WITHIN_MS);
    for (;;) {
      try {
        if (!this.#saidLeaving)
          await port.announce({ ...this.#record(), term: this.#term, released: true }, this.#revision);
        const { value, revision } = await port.read(member);
        if (value !== undefined && this.#hasWritten(value, this.options.firstBeat))
          await port.remove(member, revision);
        return;
      } catch (error) {
        if (clock.now() >= until) {
          log.write(
            'session-not-removed',
            { member, ...errorFields(error) },
            `${name}: the record of this replica was not removed, the others end it: ${describeError(error)}`,
          );
          return;
        }
        await delay(clock, REMOVE_AGAIN_MS);
      }
    }
  }

  #tell(): void {
    this.#hasNews = true;
    if (this.#isAlive()) this.#next(0);
  }

  #next(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.options.clock.after(delayMs, () => {
      this.#stepping ??= this.#step().finally(() => {
        this.#stepping = undefined;
        if (this.#isAlive()) this.#next(this.#pauseMs());
      });
    });
  }

  #pauseMs(): number {
    if (this.#failing) return RENEW_AGAIN_MS;
    const isNow = (this.#hasNews || !this.#isInTerm) && this.#foreign === undefined;
    return isNow ? 0 : beatMsOf(this.options.ttlMs);
  }

  async #step(): Promise<void> {
    const { clock, log, name, member } = this.options;
    try {
      // Others believe what a write says of its replica, even if it is refused.
      const isRenewed = this.#foreign === undefined && (await this.#renew());
      if (!isRenewed && (await this.#findRecord())) await this.#renew();
      if (this.#failing) this.#noteAnswered(clock.now());
      this.#failing = false;
    } catch (error) {
      if (!this.#failing && this.#isAlive())
        log.write(
          'session-not-renewed',
          { member, ...errorFields(error) },
          `${name}: its session could not be renewed, trying again: ${describeError(error)}`,
        );
      this.#failing = true;
    }
    this.#endIfOver();
  }

  /** Resolves with false if the record is not this process's last confirmed write. */
  async #renew(): Promise<boolean> {
    if (!this.#isAlive()) return true;
    this.#endIfOver();
    const record = this.#record();
    this.#hasNews = false;
    this.#writtenTerm = record.term;
    // The deadline counts from before the request: the server may have written it at once.
    const moment = this.#deadline.moment();
    const revision = await this.options.port.announce(record, this.#revision);
    if (revision === undefined) return false;
    this.#revision = revision;
    this.#confirmedBeat = record.beat;
    this.#foreign = undefined;
    this.#saidLeaving = record.released === true;
    // Time that has run out stays run out: lanes that closed meanwhile do not open again.
    this.#endIfOver();
    const isInForce = this.#isInTerm ? record.term === this.#term : record.term > this.#term;
    if (!isInForce || !this.#isAlive()) return true;
    this.#renewedAt = moment.now;
    this.#deadline.extend(moment, this.options.ttlMs - LEASE_MARGIN_MS);
    if (!this.#isInTerm) this.#begin(record.term);
    return true;
  }

  /**
   * The write before may have been stored although its answer was lost. Only the record tells whose write it is.
   * Resolves with false while it may be that of a living process.
   */
  async #findRecord(): Promise<boolean> {
    const { value, revision } = await this.options.port.read(this.options.member);
    const isOwn = value !== undefined && this.#hasWritten(value, this.#confirmedBeat);
    if (!isOwn) {
      this.#over(
        value === undefined ? 'its record was removed' : 'its record was written by another process',
      );
      // Terms that are over stay so.
      this.#term = Math.max(this.#term, value?.term ?? 0);
      // Ended, or its own of the time before a backup: no process renews it.
      const isForeign =
        value !== undefined && value.ended !== true && !this.#hasWritten(value, this.options.firstBeat);
      if (isForeign) return this.#endForeign(value, revision);
    }
    this.#revision = revision;
    return true;
  }

  /** True for a write of this process after that beat. */
  #hasWritten({ beat, ended }: MemberRecord, after: number): boolean {
    return ended !== true && beat > after && beat <= this.#beat;
  }

  /** A record of another process with this name: like any session it is ended when it has stood still, not before. */
  async #endForeign({ member, ttlMs, beat, term }: MemberRecord, revision: number): Promise<boolean> {
    const now = this.options.clock.now();
    if (this.#foreign === undefined)
      this.options.log.write(
        'member-name-taken',
        { member },
        `${this.options.name}: another process uses the name ${member} and may own partitions; this one ` +
          'takes none until that has ended',
      );
    if (this.#foreign?.revision !== revision) this.#foreign = { revision, since: now };
    if (now - this.#foreign.since < ttlMs + LEASE_MARGIN_MS) return false;
    const ended = await this.options.port.announce({ member, ttlMs, beat, term, ended: true }, revision);
    this.#revision = ended ?? 0;
    return ended !== undefined;
  }

  #record(): MemberRecord {
    const { member, ttlMs, seen, handles } = this.options;
    const held = [...this.#tenants].flatMap(({ held }) => (held === undefined ? [] : [held]));
    return {
      member,
      ttlMs,
      beat: ++this.#beat,
      term: this.#termToWrite(),
      ...(this.#mode === 'leaving' ? { released: true } : {}),
      holds: Object.fromEntries(held.map(({ key, epoch }) => [key, epoch])),
      survived: this.#survived,
      handles,
      ...(seen.latest === undefined ? {} : { seen: seen.latest }),
    };
  }

  /** The term in force, or one that a confirmed write begins: no write has named it. */
  #termToWrite(): number {
    return this.#isInTerm ? this.#term : Math.max(this.#term, this.#writtenTerm) + 1;
  }

  #begin(term: number): void {
    this.#term = term;
    this.#isInTerm = true;
    for (const tenant of this.#tenants) tenant.sessionBegan();
  }

  #noteAnswered(now: number): void {
    this.#answeredSince = now;
    for (const tenant of this.#tenants) tenant.sessionResumed();
  }

  #endIfOver(): void {
    if (this.#isInTerm && this.remainingMs() <= 0) this.#over('it was not renewed in time');
  }

  #over(reason: string): void {
    if (!this.#isInTerm) return;
    this.#isInTerm = false;
    this.#deadline.cancel();
    for (const tenant of [...this.#tenants]) tenant.sessionEnded(reason);
  }

  #isAlive(): boolean {
    return this.#mode === 'present' || this.#mode === 'leaving';
  }
}
