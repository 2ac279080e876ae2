import { isSabotaged, reached } from '#sabotage';
import type { Timer } from '../../clock.js';
import { describeError } from '../../errors.js';
import type { StoredValue } from '../../records/key-port.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import { Deadline } from './deadline.js';
import { HolderWrites } from './holder-writes.js';
import type { LeaseMode, LeaseOptions } from './lease-options.js';
import { pauseMs } from './lease-pace.js';
import { ObservedLease } from './observed-lease.js';
import { OthersTurn } from './others-turn.js';
import type { Tenancy } from './ownership.js';

/** The holder counts its time short by this much, a contender counts it long: clocks run at different speeds. */
export const LEASE_MARGIN_MS = 200;
/** In ttls: how much later than the replica it is meant for any other one takes a free lease. */
const OTHERS_WAIT_TTLS = 1;

/**
 * The lease of one partition: its holder runs the partition's handlers. No server clock takes part, so no clock of
 * another host can end or prolong it. Its modes:
 *
 * - `idle`: takes no part. Left by {@link seek} or {@link standBy}.
 * - `standby`: another replica is meant to hold it, and no request is made while that replica is heard. If the lease
 *   stays free for one ttl longer than a seeking replica would wait, it is taken nevertheless. A wrong view of the
 *   group must not leave a partition without an owner. Left by {@link seek} too.
 * - `seeking`: reads the record. Takes the lease by compare-and-set if it was never taken or was released. Takes it
 *   also when its revision has not moved for the ttl in it plus a margin. A deleted key is free after that time, too.
 * - `held`: renews it five times per ttl. Left when the deadline passes without a renewal, or another process has
 *   written. Left also by {@link giveUp}, {@link overtaken} or {@link startOver}. Then it seeks again, or stands by.
 *   {@link handOver} leads to `standby`. A frozen process finds out before it starts anything, because {@link isValid}
 *   reads the clocks.
 * - `closed`: by {@link release} or {@link abandon}.
 */
export class Lease implements Tenancy {
  #mode: LeaseMode = 'idle';
  /** Seeks it; what is held although it is not wanted is about to be handed over. */
  #wanted = false;
  #epoch = 0;
  #revision = 0;
  /** Every later epoch must be above this one. */
  #above = 0;
  readonly #observed = new ObservedLease();
  /** What {@link holder} was when it was last told. */
  #toldHolder: string | undefined;
  /** When the server answered again: before, no process could renew anything. */
  #answeredSince = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  /** The step under way; two would write over each other. */
  #stepping: Promise<void> | undefined;
  #failing = false;
  readonly #deadline: Deadline;
  readonly #turn: OthersTurn;
  readonly #writes: HolderWrites;

  constructor(private readonly options: LeaseOptions) {
    this.#writes = new HolderWrites(options);
    this.#turn = new OthersTurn(options.clock, options.ttlMs, 4 * LEASE_MARGIN_MS);
    // A renewal that waits for its answer must not keep handlers from hearing that the time is over.
    this.#deadline = new Deadline(options.clock, () => this.#loseIfOver());
    options.port.onHint((record) => {
      if (this.#mode === 'held' || this.#mode === 'closed') return;
      this.#observed.noteHeard(record, options.clock.now());
      // A release is worth a read at once; renewals of others are not.
      if (record.released === true && this.#mode === 'seeking') this.#next(this.#turn.remainingMs());
      if (record.released === true && this.#mode === 'standby') this.#next(this.#pauseMs());
      this.#tellHolder();
    });
  }

  get owner(): string {
    return this.options.owner;
  }

  get ttlMs(): number {
    return this.options.ttlMs;
  }

  get mode(): LeaseMode {
    return this.#mode;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** The process that holds the partition, as far as this one knows; undefined if it is free. */
  get holder(): string | undefined {
    return this.#mode === 'held' ? this.options.owner : this.#observed.holder;
  }

  /** How long no owner was seen at work, in milliseconds; 0 where this process is the owner, or takes no part. */
  get ownerlessMs(): number {
    if (this.#mode === 'idle' || this.#mode === 'closed' || this.isValid()) return 0;
    return this.#observed.ownerlessMs(this.options.clock.now());
  }

  /** Reads the clocks, so that a process that was frozen finds out before it starts anything. */
  isValid(): boolean {
    return this.remainingMs() > 0 || (isSabotaged('no-deadline') && this.#epoch > 0);
  }

  remainingMs(): number {
    return this.#mode === 'held' ? this.#deadline.remainingMs() : 0;
  }

  /** This replica is meant to hold the partition. */
  seek(): void {
    this.#wanted = true;
    if (this.#mode !== 'idle' && this.#mode !== 'standby') return;
    this.#mode = 'seeking';
    this.#next(0);
  }

  /** Another replica is meant to hold it. One that is held stays so until {@link handOver}. */
  standBy(): void {
    this.#wanted = false;
    if (this.#mode !== 'idle' && this.#mode !== 'seeking') return;
    this.#mode = 'standby';
    this.#next(this.#observed.since === undefined ? 0 : this.#pauseMs());
  }

  /**
   * The holder cannot do its work, and seeks again after every other replica had its turn. Under this epoch nothing was
   * started. So the lease is released, unless a handler of an earlier epoch still runs here: then it runs out.
   */
  giveUp(reason: string): void {
    if (this.#mode !== 'held') return;
    const mayRelease = this.isValid() && this.options.listener.isAtRest();
    this.#turn.leave(1 + OTHERS_WAIT_TTLS);
    this.#lose(reason);
    this.#next(this.#pauseMs());
    if (mayRelease) void this.#releaseGivenUp();
  }

  /**
   * Ends this epoch and seeks the next one at once: what comes again must come under a new token. The next epoch will
   * be above `above`, too.
   */
  startOver(reason: string, above = 0): void {
    if (this.#mode !== 'held') return;
    this.#above = Math.max(this.#above, above);
    this.#seekAgain();
    this.options.log.info(`${this.options.name}: the lease is taken again under a new epoch: ${reason}`);
    this.options.listener.startsOver(reason);
    this.#tellHolder();
    this.#next(0);
  }

  overtaken(epoch: number): void {
    if (this.#mode !== 'held') return;
    this.#above = Math.max(this.#above, epoch);
    this.#lose(`its position was claimed in epoch ${epoch}`);
    this.#next(0);
  }

  /** The position is claimed: successors must know that there is one. Renews at once. */
  noteClaimed(): void {
    if (this.#mode === 'held') this.#next(0);
  }

  /**
   * Releases it so that a successor takes over at once, and stands by. Call only when no handler runs and the last
   * commit is confirmed.
   */
  async handOver(): Promise<void> {
    this.#wanted = false;
    await this.#release(() => this.#leave('standby'));
    if (this.#mode === 'standby') this.#next(this.#pauseMs());
    this.#tellHolder();
  }

  /** Releases it as {@link handOver} does, for good. */
  async release(): Promise<void> {
    await this.#release(() => this.abandon());
  }

  async #release(leave: () => void): Promise<void> {
    // A renewal under way moves the revision that the release must name.
    await this.#stepping;
    const held = this.#mode === 'held' && this.isValid();
    leave();
    if (held) await this.#writeReleased();
  }

  async #releaseGivenUp(): Promise<void> {
    // As in a release: a renewal under way moves the revision.
    await this.#stepping;
    if (!this.#isSought() || !(await this.#writeReleased()) || !this.#isSought()) return;
    // What is free need not run out first, so the turn of the others ends sooner.
    this.#turn.leave(OTHERS_WAIT_TTLS);
    this.#next(this.#pauseMs());
  }

  /** Resolves with false if the server does not confirm it: then the lease runs out. */
  #writeReleased(): Promise<boolean> {
    return this.#writes.release(this.#epoch, this.#revision, (error) =>
      this.#warn(`the lease was not released, it runs out: ${describeError(error)}`),
    );
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
      else if (this.#isSought()) await this.#read();
      this.#failing = false;
    } catch (error) {
      const first = !this.#failing;
      this.#failing = true;
      const what = this.#mode === 'held' ? 'renewed' : 'read';
      if (!this.#is('closed') && first)
        this.#warn(`the lease could not be ${what}, trying again: ${describeError(error)}`);
    }
    this.#loseIfOver();
  }

  #loseIfOver(): void {
    if (this.#mode === 'held' && !this.isValid()) this.#lose('it was not renewed in time');
  }

  #pauseMs(): number {
    return pauseMs({
      ...{ mode: this.#mode, isFailing: this.#failing, ttlMs: this.options.ttlMs },
      ...{ freeInMs: this.#freeAt() - this.options.clock.now(), turnMs: this.#turn.remainingMs() },
    });
  }

  /** When this replica may take it unless it is written meanwhile. */
  #freeAt(): number {
    const runsOutAt =
      this.#observed.runsOutAt(LEASE_MARGIN_MS, this.options.ttlMs) ?? this.options.clock.now();
    if (this.#mode !== 'standby') return runsOutAt;
    return Math.max(runsOutAt, this.#answeredSince) + OTHERS_WAIT_TTLS * this.options.ttlMs;
  }

  async #renew(): Promise<void> {
    if (!this.isValid()) return;
    if ((await this.#write(this.#writes.record(this.#epoch), this.#revision)) !== undefined) return;
    // A renewal whose answer was lost has moved the revision; only the record tells whose write it was.
    const { value, revision } = await this.options.port.read();
    if (!this.#is('held')) return;
    const isOwn = value?.owner === this.options.owner && value.epoch === this.#epoch;
    // A deleted key is no other owner: the position's revision is what fences. The next write expects its tombstone.
    if (isOwn || value === undefined) {
      this.#revision = revision;
      await this.#write(this.#writes.record(this.#epoch), this.#revision);
    } else this.#lose(`it is held by ${value.owner} in epoch ${value.epoch}`);
  }

  /** Takes it if it is free. */
  async #read(): Promise<void> {
    const { port, clock } = this.options;
    const isQuiet = this.#mode === 'standby' && this.#observed.since !== undefined;
    if (isQuiet && clock.now() < this.#freeAt()) return;
    const found = await port.read();
    const mode = this.#mode;
    if (mode !== 'seeking' && mode !== 'standby') return;
    this.#observed.noteRead(found, clock.now());
    if (this.#failing) this.#answeredSince = clock.now();
    this.#tellHolder();
    // Its own, from before it was lost or from a write whose answer was lost: no other owner came in between.
    const isOwn = mode === 'seeking' && found.value?.owner === this.options.owner;
    if (isOwn || clock.now() >= this.#freeAt()) await this.#take(found, mode);
  }

  async #take(
    { value, revision: expected }: StoredValue<LeaseRecord>,
    mode: 'seeking' | 'standby',
  ): Promise<void> {
    const step = value !== undefined && isSabotaged('token-stands-still') ? 0 : 1;
    const record = this.#writes.record(Math.max(value?.epoch ?? 0, this.#above) + step);
    // Says so until the first renewal of this epoch: a record that was claimed once must exist.
    const { claimed } = value ?? {};
    const inherited = claimed === undefined ? record : { ...record, claimed };
    const revision = await this.#write(inherited, expected);
    if (revision === undefined || this.#is('closed')) return;
    reached('lease: taken');
    if (mode === 'standby') this.#warn('the lease was free for long, so it is held here');
    this.#mode = 'held';
    this.#epoch = record.epoch;
    this.#observed.forget();
    this.options.listener.acquired(value);
    // Our own write can be announced before its answer arrives. Listeners then know the owner, but not that this process
    // is it, so notify again.
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
      this.#observed.noteAlive(moment.now);
    }
    return revision;
  }

  #seekAgain(): void {
    this.#leave(this.#wanted ? 'seeking' : 'standby');
    // Until another holder is seen it counts as held here: a stall that costs every lease must move no partition.
    this.#observed.assume(this.#writes.record(this.#epoch), this.options.clock.now());
  }

  #lose(reason: string): void {
    this.#seekAgain();
    this.#warn(`the lease is lost: ${reason}`);
    this.options.listener.lost(reason);
    this.#tellHolder();
  }

  #leave(mode: 'seeking' | 'standby'): void {
    if (this.#mode === 'closed') return;
    this.#mode = mode;
    this.#deadline.cancel();
    this.#observed.forget();
  }

  #tellHolder(): void {
    const { holder } = this;
    if (holder === this.#toldHolder) return;
    this.#toldHolder = holder;
    this.options.listener.holderChanged();
  }

  #warn(text: string): void {
    this.options.log.warn(`${this.options.name}: ${text}`);
  }

  #isSought(): boolean {
    return this.#mode === 'seeking' || this.#mode === 'standby';
  }

  /** It may have changed during a request. */
  #is(mode: LeaseMode): boolean {
    return this.#mode === mode;
  }
}
