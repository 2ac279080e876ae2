import type { Clock } from '../../clock.js';
import type { KeyPort } from '../../records/key-port.js';
import { keptBy, type LeaseRecord } from '../../records/lease-record.js';
import type { LeaseFacts } from './lease-options.js';
import { beatMsOf } from './session.js';
import type { OwnSession } from './sessions.js';

export interface HeldLeaseOptions {
  readonly port: KeyPort<LeaseRecord>;
  readonly session: OwnSession;
  readonly clock: Clock;
  readonly listener: { facts(): LeaseFacts };
}

/** What the key says when the lease is not held any more. */
export type LeaseEnd =
  | { readonly kind: 'deleted'; readonly revision: number }
  | { readonly kind: 'taken'; readonly owner: string; readonly epoch: number };

/** In ttls: how rarely a lease is read whose changes are heard. An announcement may be missed. */
export const TTLS_PER_CHECK = 10;

/**
 * A lease from its take to its end, as its holder keeps it. The session keeps it alive; the key is written when what it
 * says changes, and read when it may have changed. It makes no request otherwise.
 */
export class HeldLease {
  #record: LeaseRecord;
  readonly #term: number;
  #revision: number;
  #writtenAt: number;
  #checkAt: number;

  /** `record` was stored under `revision`, in the term of the session that is in force. */
  constructor(
    private readonly options: HeldLeaseOptions,
    record: LeaseRecord,
    revision: number,
  ) {
    this.#record = record;
    this.#term = record.term ?? 0;
    this.#revision = revision;
    this.#writtenAt = options.clock.now();
    this.#checkAt = this.#writtenAt + TTLS_PER_CHECK * options.session.ttlMs;
  }

  /** What a successor would find. */
  get record(): LeaseRecord {
    const { session, listener } = this.options;
    const { owner, epoch, claimed } = this.#record;
    const kept = keptBy({ owner, term: this.#term, ttlMs: session.ttlMs });
    return { ...kept, epoch, ...(claimed === undefined ? {} : { claimed }), ...listener.facts() };
  }

  /** Until the term of the session is over, in milliseconds; 0 or less: it is. */
  remainingMs(): number {
    const { session } = this.options;
    return session.term === this.#term ? session.remainingMs() : 0;
  }

  /** True for a record of this tenure. */
  isOwn(record: LeaseRecord | undefined): boolean {
    const own = this.#record;
    return record?.owner === own.owner && record.term === this.#term && record.epoch === own.epoch;
  }

  /** The key may have changed. */
  doubt(): void {
    this.#checkAt = this.options.clock.now();
  }

  /** When {@link keep} has something to do. */
  get dueAt(): number {
    return Math.min(this.#newsAt() ?? this.#checkAt, this.#checkAt);
  }

  /**
   * Writes what has changed and reads the key, if that is due. Resolves with what ended the tenure, if anything did.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async keep(): Promise<LeaseEnd | undefined> {
    const now = this.options.clock.now();
    if (now >= this.#checkAt) return this.#check();
    const newsAt = this.#newsAt();
    if (newsAt === undefined || newsAt > now) return undefined;
    const { record } = this;
    const revision = await this.options.port.write(record, this.#revision);
    if (revision === undefined) return this.#check();
    this.#record = record;
    this.#revision = revision;
    this.#writtenAt = this.options.clock.now();
    return undefined;
  }

  /**
   * Resolves with false if the key was written meanwhile, by an earlier write of this process perhaps.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async release(): Promise<boolean> {
    return (await this.options.port.write({ ...this.record, released: true }, this.#revision)) !== undefined;
  }

  /** A write whose answer was lost has moved the revision; only the record tells whose write it was. */
  async #check(): Promise<LeaseEnd | undefined> {
    const { value, revision } = await this.options.port.read();
    if (value === undefined) return { kind: 'deleted', revision };
    if (!this.isOwn(value)) return { kind: 'taken', owner: value.owner, epoch: value.epoch };
    this.#revision = revision;
    this.#checkAt = this.options.clock.now() + TTLS_PER_CHECK * this.options.session.ttlMs;
    return undefined;
  }

  /**
   * When what has changed is written; undefined if nothing has. What still runs is told no faster than a beat. A moment
   * that has passed, not the present one: between two reads of the clock the present moves.
   */
  #newsAt(): number | undefined {
    const { claimed, running } = this.options.listener.facts();
    if (claimed === true && this.#record.claimed !== true) return this.#writtenAt;
    if (running === undefined && this.#record.running === undefined) return undefined;
    return this.#writtenAt + beatMsOf(this.options.session.ttlMs);
  }
}
