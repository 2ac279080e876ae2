import type { Clock } from '../../clock.js';
import type { StoredValue } from '../../records/key-port.js';
import { type LeaseRecord, sessionOf } from '../../records/lease-record.js';
import { TTLS_PER_CHECK } from './held-lease.js';
import { ObservedLease } from './observed-lease.js';
import { LEASE_MARGIN_MS } from './session.js';
import type { OtherSessions, OwnSession, SessionNews } from './sessions.js';

export interface ContenderOptions {
  /** Names the lease in the records of sessions. */
  readonly key: string;
  readonly session: OwnSession;
  readonly others: OtherSessions;
  readonly clock: Clock;
}

/** The modes of a lease that is not held and may be taken. */
export type ContenderMode = 'seeking' | 'standby';

/** What a replica does about the record that it has read; `let go` says that it does not hold what names it. */
export type Verdict = 'take' | 'let go' | 'wait';

const READS_PER_TTL = 10;
const MAX_READ_EVERY_MS = 500;
const MIN_READ_EVERY_MS = 10;
/** In ttls: how much later than the replica it is meant for any other one takes a free lease. */
const OTHERS_WAIT_TTLS = 1;

/**
 * When a replica that does not hold a lease reads it, and when it takes it. Decides only: it makes no request. Outlasts
 * the times in which the replica holds the lease.
 */
export class Contender {
  readonly observed = new ObservedLease();
  /** The record may name this process, or another holder than was heard: worth a read soon. */
  #isDoubtful = false;
  /** The revision of a missing key, found by this process while it held it: no other can have held it since. */
  #vacant: number | undefined;
  /** Takes it no sooner: another replica gets its turn. */
  #notBefore = 0;
  /** Handlers of the last tenure may run until then, unless they end before. */
  #mayRunUntil = 0;
  /** When a standby reads next although nothing was heard. */
  #readAt = 0;

  constructor(private readonly options: ContenderOptions) {}

  doubt(): void {
    this.#isDoubtful = true;
  }

  /** Requests were interrupted: what was announced meanwhile was missed. */
  noteMissed(): void {
    this.#readAt = this.options.clock.now();
  }

  noteVacant(revision: number): void {
    this.#vacant = revision;
  }

  /** Lets every other replica have its turn first. */
  yieldToOthers(): void {
    this.#yieldFor(1 + OTHERS_WAIT_TTLS);
  }

  /** This process held it until now. */
  noteLost(): void {
    const { clock, session } = this.options;
    this.#isDoubtful = true;
    this.#mayRunUntil = clock.now() + session.ttlMs;
  }

  /** A handler that still runs here has the time of the lease to end. */
  mayLetGo(isAtRest: boolean): boolean {
    return isAtRest || this.options.clock.now() >= this.#mayRunUntil;
  }

  /** What is free need not run out first, so the turn of the others ends sooner. */
  noteLetGo(): void {
    if (this.#notBefore > this.options.clock.now()) this.#yieldFor(OTHERS_WAIT_TTLS);
  }

  noteTaken(): void {
    this.#isDoubtful = false;
    this.#vacant = undefined;
    this.observed.forget();
  }

  /** How long until the next step, in milliseconds. */
  pauseMs(mode: ContenderMode, isFailing: boolean): number {
    const now = this.options.clock.now();
    const { ttlMs } = this.options.session;
    const readMs = Math.max(Math.min(MAX_READ_EVERY_MS, ttlMs / READS_PER_TTL), MIN_READ_EVERY_MS);
    const untilFreeMs = this.#freeAt(mode) - now + 1;
    const isUrgent = this.#isDoubtful || (mode === 'standby' && isFailing);
    const untilReadMs = mode === 'seeking' || isUrgent ? readMs : this.#readAt - now;
    const notBeforeMs = isUrgent ? 0 : this.#notBefore - now;
    return Math.max(notBeforeMs, Math.min(untilReadMs, untilFreeMs), MIN_READ_EVERY_MS);
  }

  /** A standby reads only if something tells it to. */
  mustRead(mode: ContenderMode): boolean {
    if (mode === 'seeking' || this.#isDoubtful || this.observed.since === undefined) return true;
    return this.options.clock.now() >= Math.min(this.#readAt, this.#freeAt(mode));
  }

  /** Another session was heard. Returns true for that of the holder, as far as that was known. */
  noteSession({ member, term, ttlMs, holds }: SessionNews): boolean {
    const { key, clock } = this.options;
    const isHolder = this.observed.holder === member;
    const epoch = holds?.[key];
    if (epoch !== undefined) this.observed.noteHeld({ owner: member, term, ttlMs }, epoch, clock.now());
    else if (isHolder && holds !== undefined) this.#isDoubtful = true;
    return isHolder;
  }

  noteRead(found: StoredValue<LeaseRecord>): void {
    const { clock, session, others } = this.options;
    this.observed.noteRead(found, clock.now());
    this.#readAt = clock.now() + TTLS_PER_CHECK * session.ttlMs;
    this.#isDoubtful = false;
    const { value } = found;
    const kept = value?.released === true ? undefined : value && sessionOf(value);
    if (kept !== undefined) others.watch(kept);
  }

  /** What to do about the record that was noted last. Without a session of its own a replica can hold nothing. */
  verdictOn({ value, revision }: StoredValue<LeaseRecord>, mode: ContenderMode): Verdict {
    const { clock, session } = this.options;
    const now = clock.now();
    if (session.term === 0) return 'wait';
    // Its own, from before it was lost or from a write whose answer was lost: no other owner came in between.
    const isOwn = value === undefined ? revision === this.#vacant : value.owner === session.member;
    const mayTake = now >= this.#notBefore;
    if (mayTake && ((isOwn && mode === 'seeking') || now >= this.#freeAt(mode))) return 'take';
    return isOwn && value !== undefined && value.released !== true ? 'let go' : 'wait';
  }

  #yieldFor(ttls: number): void {
    const { clock, session } = this.options;
    this.#notBefore = clock.now() + ttls * session.ttlMs + 4 * LEASE_MARGIN_MS;
  }

  /** When this replica may take it unless it is written meanwhile. */
  #freeAt(mode: ContenderMode): number {
    const { clock, others, key, session } = this.options;
    const { ttlMs, member: self, answeredSince } = session;
    const at = this.observed.freeAt({ now: clock.now(), self, ttlMs, key, others });
    return mode === 'seeking' ? at : Math.max(at, answeredSince) + OTHERS_WAIT_TTLS * ttlMs;
  }
}
