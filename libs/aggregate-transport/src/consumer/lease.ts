import { isSabotaged } from '#sabotage';
import { type Clock, type Timer } from '../clock.js';
import { describeError } from '../errors.js';
import type { Log } from '../log.js';
import type { KeyPort, StoredValue } from '../message/key-port.js';
import type { Ownership } from './ownership.js';

/** What the lease key of a partition holds. */
export interface LeaseRecord {
  /** The process that holds or held it. */
  readonly owner: string;
  /** For how long the record stands unless it is renewed, in milliseconds. */
  readonly ttlMs: number;
  /** Grows by one with every change of owner: the fencing token of handlers. */
  readonly epoch: number;
  /** The owner let go in peace; anyone may take over at once. */
  readonly released?: boolean;
  /** Every event of the partition up to this stream sequence is settled. */
  readonly floor: number;
  /** When the stream was made, as the server tells it: another time is another stream. */
  readonly streamCreated: string;
  /** Which consumer is the partition's: 0 is the first one, any other the epoch that made it in place of one that was gone. */
  readonly generation: number;
  /** Generations before it, the last few: whatever is left or made late of them is removed. */
  readonly retired: readonly number[];
}

/** The part of a lease that says which consumer is the partition's. */
export type ConsumerChoice = Pick<LeaseRecord, 'generation' | 'retired'>;

const MAX_RETIRED = 4;

/** Which consumer the owner of a new epoch uses; `gone` is the generation it knows to have vanished. Pure. */
export function chooseConsumer(
  found: Partial<ConsumerChoice> | undefined,
  epoch: number,
  gone: number | undefined,
): ConsumerChoice {
  const { generation = 0, retired = [] } = found ?? {};
  if (generation !== gone) return { generation, retired };
  return { generation: epoch, retired: [...retired, generation].slice(-MAX_RETIRED) };
}

export interface LeaseOptions {
  /** For log texts. */
  readonly name: string;
  /** Names this process; no other may use the same name. */
  readonly owner: string;
  readonly ttlMs: number;
  readonly port: KeyPort<LeaseRecord>;
  readonly clock: Clock;
  readonly log: Log;
  /** What the next renewal writes down. */
  readonly facts: () => Pick<LeaseRecord, 'floor' | 'streamCreated'>;
  readonly acquired: (previous: LeaseRecord | undefined) => void;
  readonly lost: (reason: string) => void;
}

/** The holder counts its time short by this much, a contender counts it long: clocks run at different speeds. */
export const LEASE_MARGIN_MS = 200;
const RENEWALS_PER_TTL = 5;
const RENEW_AGAIN_MS = 50;
const LOOKS_PER_TTL = 10;
const MAX_LOOK_EVERY_MS = 500;
const MIN_LOOK_EVERY_MS = 10;

/** A revision somebody else holds, and since when this process has seen it unchanged, on its own clock. */
interface Sighting {
  readonly revision: number;
  readonly since: number;
}

/**
 * The lease of one partition: whoever holds it runs the partition's handlers. No server clock takes part,
 * so no clock of another host can end or prolong it. Its modes:
 *
 * - `idle`: takes no part. Left by {@link start}.
 * - `seeking`: looks at the record. Takes it over by compare-and-set when there is none, when it was
 *   released, or when its revision has not moved for the ttl written in it plus a margin.
 * - `held`: renews it five times per ttl. Left when the deadline passes without a renewal (a frozen process
 *   finds that out before it starts anything, because {@link isValid} reads the clocks), when somebody else
 *   has written, or by {@link giveUp}; then it seeks again.
 * - `closed`: by {@link release} or {@link abandon}.
 */
export class Lease implements Ownership {
  #mode: 'idle' | 'seeking' | 'held' | 'closed' = 'idle';
  #epoch = 0;
  #revision = 0;
  #deadline = 0;
  #wallDeadline = 0;
  #consumer: ConsumerChoice = { generation: 0, retired: [] };
  /** The generation that the last epoch found to have vanished. */
  #gone: number | undefined;
  #sighting: Sighting | undefined;
  /** When the sighted lease runs out unless it is renewed. */
  #runsOutAt = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  /** The step under way; two would write over each other. */
  #stepping: Promise<void> | undefined;
  #failing = false;
  /** Seeks no sooner: somebody else shall have a chance. */
  #notBefore = 0;
  #deadlineTimer: Timer | undefined;

  constructor(private readonly options: LeaseOptions) {
    options.port.onHint((record) => {
      // A release is worth a look at once; renewals of others are not.
      if (record.released === true && this.#mode === 'seeking') this.#next(0);
    });
  }

  get mode(): 'idle' | 'seeking' | 'held' | 'closed' {
    return this.#mode;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** The partition's consumer, as the record names it. */
  get consumer(): ConsumerChoice {
    return this.#consumer;
  }

  /**
   * Both clocks must agree that time is left: the monotonic one may stand still while a machine sleeps, the
   * wall clock may be set back.
   */
  isValid(): boolean {
    return this.remainingMs() > 0 || (isSabotaged('no-deadline') && this.#epoch > 0);
  }

  remainingMs(): number {
    if (this.#mode !== 'held') return 0;
    const { clock } = this.options;
    return Math.min(this.#deadline - clock.now(), this.#wallDeadline - clock.wallNow());
  }

  start(): void {
    if (this.#mode !== 'idle') return;
    this.#mode = 'seeking';
    this.#next(0);
  }

  /** The holder cannot do its work: lets the lease run out, and seeks again after a full ttl. */
  giveUp(reason: string): void {
    if (this.#mode !== 'held') return;
    this.#notBefore = this.options.clock.now() + this.options.ttlMs + 2 * LEASE_MARGIN_MS;
    this.#lose(reason);
    this.#next(this.#pauseMs());
  }

  /**
   * The partition's consumer is gone. Ends this epoch and seeks the next one at once, which names another consumer
   * before it makes it: what comes again must come under a new token, from a consumer that nobody has sent anything to.
   */
  startOver(reason: string): void {
    if (this.#mode !== 'held') return;
    this.#gone = this.#consumer.generation;
    this.#lose(reason);
    this.#next(0);
  }

  /** Lets go so that a successor takes over at once. Call only when no handler runs and all acks are confirmed. */
  async release(): Promise<void> {
    // A renewal under way moves the revision that the release must name.
    await this.#stepping;
    const held = this.#mode === 'held' && this.isValid();
    this.#close();
    if (!held) return;
    try {
      await this.options.port.write({ ...this.#record(this.#epoch), released: true }, this.#revision);
    } catch (error) {
      this.options.log.warn(
        `${this.options.name}: the lease was not released, it runs out: ${describeError(error)}`,
      );
    }
  }

  /** Takes no part any more and lets the lease run out. */
  abandon(): void {
    this.#close();
  }

  #close(): void {
    this.#mode = 'closed';
    this.#timer?.cancel();
    this.#deadlineTimer?.cancel();
    this.options.port.close();
  }

  #next(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.options.clock.after(delayMs, () => {
      this.#stepping ??= this.#step().finally(() => {
        this.#stepping = undefined;
        if (this.#mode === 'held' || this.#mode === 'seeking') this.#next(this.#pauseMs());
      });
    });
  }

  async #step(): Promise<void> {
    try {
      if (this.#mode === 'held') await this.#renew();
      else if (this.#mode === 'seeking') await this.#seek();
      this.#failing = false;
    } catch (error) {
      const first = !this.#failing;
      this.#failing = true;
      if (this.#mode !== 'closed' && first) {
        this.options.log.warn(
          `${this.options.name}: the lease could not be ${this.#mode === 'held' ? 'renewed' : 'read'}, trying on: ${describeError(error)}`,
        );
      }
    }
    this.#loseIfOver();
  }

  #loseIfOver(): void {
    if (this.#mode === 'held' && !this.isValid()) this.#lose('it was not renewed in time');
  }

  #pauseMs(): number {
    const { ttlMs, clock } = this.options;
    if (this.#failing && this.#mode === 'held') return RENEW_AGAIN_MS;
    if (this.#mode === 'held') return ttlMs / RENEWALS_PER_TTL;
    const now = clock.now();
    const lookMs = Math.min(MAX_LOOK_EVERY_MS, ttlMs / LOOKS_PER_TTL, this.#runsOutAt - now + 1);
    return Math.max(this.#notBefore - now, lookMs, MIN_LOOK_EVERY_MS);
  }

  async #renew(): Promise<void> {
    if (!this.isValid()) return;
    if ((await this.#write(this.#record(this.#epoch), this.#revision)) !== undefined) return;
    // A renewal whose answer was lost has moved the revision; only the record tells whose write it was.
    const found = await this.options.port.read();
    if (!this.#isHeld()) return;
    const { owner, epoch } = found?.value ?? { owner: '', epoch: 0 };
    if (found !== undefined && owner === this.options.owner && epoch === this.#epoch) {
      this.#revision = found.revision;
      await this.#write(this.#record(this.#epoch), this.#revision);
    } else this.#lose(`it is held by ${owner === '' ? 'nobody' : owner} in epoch ${epoch}`);
  }

  async #seek(): Promise<void> {
    const { port, clock } = this.options;
    const found = await port.read();
    if (this.#mode !== 'seeking' || !this.#mayTake(found, clock.now())) return;
    const step = found !== undefined && isSabotaged('token-stands-still') ? 0 : 1;
    const record = this.#record((found?.value.epoch ?? 0) + step);
    const consumer = chooseConsumer(found?.value, record.epoch, this.#gone);
    // The record keeps what the last owner knew until the first takeover says more.
    const inherited = { floor: found?.value.floor ?? 0, streamCreated: found?.value.streamCreated ?? '' };
    const revision = await this.#write({ ...record, ...inherited, ...consumer }, found?.revision ?? 0);
    if (revision === undefined || this.#isClosed()) return;
    this.#mode = 'held';
    this.#consumer = consumer;
    this.#gone = undefined;
    this.#epoch = record.epoch;
    this.#sighting = undefined;
    this.#runsOutAt = Number.POSITIVE_INFINITY;
    this.options.acquired(found?.value);
  }

  /** Pure but for the sighting it remembers. */
  #mayTake(found: StoredValue<LeaseRecord> | undefined, now: number): boolean {
    if (found === undefined || found.value.released === true) return true;
    // Our own, from before we lost it or from a write whose answer was lost: nobody else came in between.
    if (found.value.owner === this.options.owner) return true;
    if (this.#sighting?.revision !== found.revision) {
      this.#sighting = { revision: found.revision, since: now };
    }
    this.#runsOutAt = this.#sighting.since + found.value.ttlMs + LEASE_MARGIN_MS;
    return now >= this.#runsOutAt;
  }

  /** The deadline counts from before the request: the server may have written it at once. */
  async #write(record: LeaseRecord, expected: number): Promise<number | undefined> {
    const { port, clock, ttlMs } = this.options;
    const [now, wallNow] = [clock.now(), clock.wallNow()];
    const revision = await port.write(record, expected);
    // Time that has run out stays run out: handlers that ended meanwhile, and lanes that closed, count for nothing.
    if (revision !== undefined && (this.#mode !== 'held' || this.isValid())) {
      this.#revision = revision;
      this.#deadline = now + ttlMs - LEASE_MARGIN_MS;
      this.#wallDeadline = wallNow + ttlMs - LEASE_MARGIN_MS;
      // A renewal that waits for its answer must not keep handlers from hearing that the time is over.
      this.#deadlineTimer?.cancel();
      this.#deadlineTimer = clock.after(this.#deadline - clock.now() + 1, () => this.#loseIfOver());
    }
    return revision;
  }

  #record(epoch: number): LeaseRecord {
    const { owner, ttlMs, facts } = this.options;
    return { owner, ttlMs, epoch, ...facts(), ...this.#consumer };
  }

  #lose(reason: string): void {
    this.#mode = 'seeking';
    this.#sighting = undefined;
    this.#runsOutAt = Number.POSITIVE_INFINITY;
    this.options.log.warn(`${this.options.name}: the lease is lost: ${reason}`);
    this.options.lost(reason);
  }

  #isHeld(): boolean {
    return this.#mode === 'held';
  }

  #isClosed(): boolean {
    return this.#mode === 'closed';
  }
}
