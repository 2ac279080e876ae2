import { isSabotaged, reached } from '#sabotage';
import type { Timer } from '../../clock.js';
import { describeError } from '../../errors.js';
import { Deadline } from './deadline.js';
import { LayoutBar } from '../layout-bar.js';
import type { DrainedMark } from '../layout-marks.js';
import type { LeaseMode, LeaseOptions } from './lease-options.js';
import { chooseConsumer, type ConsumerChoice, type LeaseRecord } from '../../records/lease-record.js';
import { LeaseSighting } from './observed-lease.js';
import type { Ownership } from './ownership.js';

/** The holder counts its time short by this much, a contender counts it long: clocks run at different speeds. */
export const LEASE_MARGIN_MS = 200;
const RENEWALS_PER_TTL = 5;
const RENEW_AGAIN_MS = 50;
const LOOKS_PER_TTL = 10;
const MAX_LOOK_EVERY_MS = 500;
/** Of ttls: how much later than the replica it is meant for any other one takes a lease that nobody holds. */
const OTHERS_WAIT_TTLS = 1;
const MIN_LOOK_EVERY_MS = 10;

/**
 * The lease of one partition: whoever holds it runs the partition's handlers. No server clock takes part,
 * so no clock of another host can end or prolong it. Its modes:
 *
 * - `idle`: takes no part. Left by {@link seek} or {@link standBy}.
 * - `standby`: another replica shall hold it, and no request is made while that one is heard. If nobody holds it for
 *   a ttl longer than a seeking replica would wait, it is taken nevertheless: who is wrong about the group must not
 *   leave a partition without an owner. Left by {@link seek} too.
 * - `seeking`: looks at the record. Takes it over by compare-and-set when there is none, when it was
 *   released, or when its revision has not moved for the ttl written in it plus a margin. One that was drained for a
 *   change of layout, or is of another layout, is taken by nobody, in this mode or the one before.
 * - `held`: renews it five times per ttl. Left by {@link giveUpDrained}, or when the deadline passes without a renewal (a frozen process
 *   finds that out before it starts anything, because {@link isValid} reads the clocks), when somebody else
 *   has written, or by {@link giveUp}; then it seeks again, or stands by. {@link handOver} leads to `standby`.
 * - `closed`: by {@link release} or {@link abandon}.
 */
export class Lease implements Ownership {
  #mode: LeaseMode = 'idle';
  /** Seeks it; what is held although it is not wanted is about to be handed over. */
  #wanted = false;
  #epoch = 0;
  #revision = 0;
  #consumer: ConsumerChoice = { generation: 0, retired: [] };
  /** The generation that the last epoch found to have vanished. */
  #gone: number | undefined;
  readonly #sighting = new LeaseSighting();
  /** What {@link holder} was when it was last told. */
  #toldHolder: string | undefined;
  #beat = 0;
  /** When the server answered again: before, nobody could hold anything. */
  #answeredSince = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  /** The step under way; two would write over each other. */
  #stepping: Promise<void> | undefined;
  #failing = false;
  /** Seeks no sooner: somebody else shall have a chance. */
  #notBefore = 0;
  readonly #deadline: Deadline;
  readonly #bar: LayoutBar;

  constructor(private readonly options: LeaseOptions) {
    // A renewal that waits for its answer must not keep handlers from hearing that the time is over.
    this.#deadline = new Deadline(options.clock, () => this.#loseIfOver());
    this.#bar = new LayoutBar(options);
    options.port.onHint((record) => {
      if (this.#mode === 'held' || this.#mode === 'closed') return;
      this.#sighting.heard(record, options.clock.now());
      this.#bar.heard(record);
      // A release is worth a look at once; renewals of others are not.
      if (record.released === true && this.#mode === 'seeking') this.#next(0);
      if (record.released === true && this.#mode === 'standby') this.#next(this.#pauseMs());
      this.#tellHolder();
    });
  }

  get mode(): LeaseMode {
    return this.#mode;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** The process that holds the partition, as far as this one knows; undefined: nobody. */
  get holder(): string | undefined {
    return this.#mode === 'held' ? this.options.owner : this.#sighting.holder;
  }

  /** The partition's consumer, as the record names it. */
  get consumer(): ConsumerChoice {
    return this.#consumer;
  }

  /** Reads the clocks, so that a process that was frozen finds out before it starts anything. */
  isValid(): boolean {
    return this.remainingMs() > 0 || (isSabotaged('no-deadline') && this.#epoch > 0);
  }

  remainingMs(): number {
    return this.#mode === 'held' ? this.#deadline.remainingMs() : 0;
  }

  /** This replica shall hold the partition. */
  seek(): void {
    this.#wanted = true;
    if (this.#mode !== 'idle' && this.#mode !== 'standby') return;
    this.#mode = 'seeking';
    this.#next(0);
  }

  /** Another replica shall hold it. One that is held stays so until {@link handOver}. */
  standBy(): void {
    this.#wanted = false;
    if (this.#mode !== 'idle' && this.#mode !== 'seeking') return;
    this.#mode = 'standby';
    this.#next(this.#sighting.since === undefined ? 0 : this.#pauseMs());
  }

  /** The holder cannot do its work: lets the lease run out, and seeks again when every other replica had its turn. */
  giveUp(reason: string): void {
    if (this.#mode !== 'held') return;
    const turns = 1 + OTHERS_WAIT_TTLS;
    this.#notBefore = this.options.clock.now() + turns * this.options.ttlMs + 4 * LEASE_MARGIN_MS;
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

  /** The last change for which the partition was seen to be drained, by whomever; 0 for none. */
  get drainedFor(): number {
    return this.#bar.drainedFor;
  }

  /**
   * Gives the partition up for a change of layout, and writes down where it stands. Nothing starts from here on,
   * whether the write succeeds or not; if it does not, the lease is sought again. Does nothing if `epoch` has ended:
   * the position is no longer true then. Call only when no handler runs and all acks are confirmed.
   */
  async giveUpDrained(epoch: number, drained: DrainedMark): Promise<void> {
    // A renewal under way moves the revision that this must name.
    while (this.#stepping !== undefined) await this.#stepping;
    if (this.#mode !== 'held' || !this.isValid() || this.#epoch !== epoch) return;
    this.#timer?.cancel();
    const record = { ...this.#record(epoch), running: undefined, released: true, drained };
    this.#leave(this.#wanted ? 'seeking' : 'standby');
    this.options.drained();
    if (await this.#writeLast(record, 'it may not be known to be drained, looking again'))
      reached('repartition: partition drained');
    if (!this.#is('closed')) this.#next(0);
    this.#tellHolder();
  }

  /**
   * Lets go so that a successor takes over at once, and stands by. Call only when no handler runs and all acks are
   * confirmed.
   */
  async handOver(): Promise<void> {
    this.#wanted = false;
    await this.#letGo(() => this.#leave('standby'));
    if (this.#mode === 'standby') this.#next(this.#pauseMs());
    this.#tellHolder();
  }

  /** Lets go as {@link handOver} does, for good. */
  async release(): Promise<void> {
    await this.#letGo(() => this.abandon());
  }

  async #letGo(leave: () => void): Promise<void> {
    // A renewal under way moves the revision that the release must name.
    await this.#stepping;
    const held = this.#mode === 'held' && this.isValid();
    leave();
    if (!held) return;
    const record = { ...this.#record(this.#epoch), released: true };
    await this.#writeLast(record, 'the lease was not released, it runs out');
  }

  async #writeLast(record: LeaseRecord, otherwise: string): Promise<boolean> {
    try {
      await this.options.port.write(record, this.#revision);
      return true;
    } catch (error) {
      this.#warn(`${otherwise}: ${describeError(error)}`);
      return false;
    }
  }

  /** Takes no part any more and lets the lease run out. */
  abandon(): void {
    this.#mode = 'closed';
    this.#timer?.cancel();
    this.#deadline.cancel();
    this.options.port.close();
  }

  #next(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.options.clock.after(delayMs, () => {
      this.#stepping ??= this.#step().finally(() => {
        this.#stepping = undefined;
        if (this.#mode !== 'idle' && this.#mode !== 'closed') this.#next(this.#pauseMs());
      });
    });
  }

  async #step(): Promise<void> {
    try {
      if (this.#mode === 'held') await this.#renew();
      else if (this.#mode === 'seeking' || this.#mode === 'standby') await this.#look();
      this.#failing = false;
    } catch (error) {
      const first = !this.#failing;
      this.#failing = true;
      const what = this.#mode === 'held' ? 'renewed' : 'read';
      if (!this.#is('closed') && first)
        this.#warn(`the lease could not be ${what}, trying on: ${describeError(error)}`);
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
    const freeAt = this.#freeAt();
    const lookMs = Math.max(Math.min(MAX_LOOK_EVERY_MS, ttlMs / LOOKS_PER_TTL), MIN_LOOK_EVERY_MS);
    if (this.#bar.isUp) return Math.max(this.#notBefore - now, lookMs);
    if (this.#mode === 'standby')
      return Math.max(this.#failing ? lookMs : freeAt - now + 1, MIN_LOOK_EVERY_MS);
    return Math.max(this.#notBefore - now, Math.min(lookMs, freeAt - now + 1), MIN_LOOK_EVERY_MS);
  }

  /** When this replica may take it unless somebody writes meanwhile. */
  #freeAt(): number {
    const runsOutAt = this.#sighting.runsOutAt(LEASE_MARGIN_MS) ?? this.options.clock.now();
    if (this.#mode !== 'standby') return runsOutAt;
    return Math.max(runsOutAt, this.#answeredSince) + OTHERS_WAIT_TTLS * this.options.ttlMs;
  }

  async #renew(): Promise<void> {
    if (!this.isValid()) return;
    if ((await this.#write(this.#record(this.#epoch), this.#revision)) !== undefined) return;
    // A renewal whose answer was lost has moved the revision; only the record tells whose write it was.
    const found = await this.options.port.read();
    if (!this.#is('held')) return;
    const { owner, epoch } = found?.value ?? { owner: '', epoch: 0 };
    if (found !== undefined && owner === this.options.owner && epoch === this.#epoch) {
      this.#revision = found.revision;
      await this.#write(this.#record(this.#epoch), this.#revision);
    } else this.#lose(`it is held by ${owner === '' ? 'nobody' : owner} in epoch ${epoch}`);
  }

  /** Takes it if it is free. */
  async #look(): Promise<void> {
    const { port, clock } = this.options;
    const isQuiet = this.#mode === 'standby' && this.#sighting.since !== undefined && !this.#bar.isUp;
    if (isQuiet && clock.now() < this.#freeAt()) return;
    const found = await port.read();
    const mode = this.#mode;
    if (mode !== 'seeking' && mode !== 'standby') return;
    this.#sighting.read(found, clock.now());
    if (this.#failing) this.#answeredSince = clock.now();
    this.#tellHolder();
    if (this.#bar.keeps(found?.value)) return;
    // Its own, from before it lost it or from a write whose answer was lost: nobody else came in between.
    const isOwn = mode === 'seeking' && found?.value.owner === this.options.owner;
    if (!isOwn && clock.now() < this.#freeAt()) return;
    const step = found !== undefined && isSabotaged('token-stands-still') ? 0 : 1;
    const record = this.#record((found?.value.epoch ?? 0) + step);
    const consumer = chooseConsumer(found?.value, record.epoch, this.#gone);
    // The record keeps what the last owner knew until the first takeover says more.
    const { floor = 0, streamCreated = '', origin } = found?.value ?? {};
    const inherited = { floor, streamCreated, origin };
    const revision = await this.#write({ ...record, ...inherited, ...consumer }, found?.revision ?? 0);
    if (revision === undefined || this.#is('closed')) return;
    if (mode === 'standby') this.#warn('nobody held the lease for long, so it is held here');
    this.#mode = 'held';
    this.#consumer = consumer;
    this.#gone = undefined;
    this.#epoch = record.epoch;
    this.#sighting.forget();
    this.options.acquired(found?.value);
    // Its own write may have been heard before it was answered: who holds it was told then, that it is held was not.
    this.#toldHolder = undefined;
    this.#tellHolder();
  }

  /** The deadline counts from before the request: the server may have written it at once. */
  async #write(record: LeaseRecord, expected: number): Promise<number | undefined> {
    const moment = this.#deadline.moment();
    const revision = await this.options.port.write(record, expected);
    // Time that has run out stays run out: handlers that ended meanwhile, and lanes that closed, count for nothing.
    if (revision !== undefined && (this.#mode !== 'held' || this.isValid())) {
      this.#revision = revision;
      this.#deadline.extend(moment, this.options.ttlMs - LEASE_MARGIN_MS);
    }
    return revision;
  }

  #record(epoch: number): LeaseRecord {
    const { owner, ttlMs, facts, layout } = this.options;
    return { owner, ttlMs, epoch, beat: ++this.#beat, ...facts(), ...this.#consumer, layout };
  }

  #lose(reason: string): void {
    this.#leave(this.#wanted ? 'seeking' : 'standby');
    // Until somebody else is seen it counts as held here: a stall that costs every lease shall move no partition.
    this.#sighting.heard(this.#record(this.#epoch), this.options.clock.now());
    this.#warn(`the lease is lost: ${reason}`);
    this.options.lost(reason);
    this.#tellHolder();
  }

  #leave(mode: 'seeking' | 'standby'): void {
    if (this.#mode === 'closed') return;
    this.#mode = mode;
    this.#deadline.cancel();
    this.#sighting.forget();
  }

  #tellHolder(): void {
    const { holder } = this;
    if (holder === this.#toldHolder) return;
    this.#toldHolder = holder;
    this.options.holderChanged?.();
  }

  #warn(text: string): void {
    this.options.log.warn(`${this.options.name}: ${text}`);
  }

  /** It may have changed during a request. */
  #is(mode: LeaseMode): boolean {
    return this.#mode === mode;
  }
}
