import { isSabotaged, reached } from '#sabotage';
import type { Timer } from '../../clock.js';
import type { StoredValue } from '../../records/key-port.js';
import { keptBy, type LeaseRecord } from '../../records/lease-record.js';
import { Contender, type ContenderMode } from './contender.js';
import { HeldLease } from './held-lease.js';
import { LeaseLog } from './lease-log.js';
import type { LeaseMode, LeaseOptions } from './lease-options.js';
import type { Tenancy } from './ownership.js';
import type { SessionListener, SessionNews, SessionTenant } from './sessions.js';

const TRY_AGAIN_MS = 50;

/**
 * The lease of one partition: its holder runs the partition's handlers. It is taken in a term of the holder's session
 * and valid until that term is over. It is written only when something in it changes. Its modes:
 *
 * - `idle`: takes no part. Left by {@link seek} or {@link standBy}.
 * - `standby`: another replica is meant to hold it. While that replica is heard the record is hardly ever read. If
 *   the lease stays free for one ttl longer than a seeking replica would wait, it is taken nevertheless. A wrong view
 *   of the group must not leave a partition without an owner. Left by {@link seek} too.
 * - `seeking`: reads the record. Takes the lease by compare-and-set if it was never taken, was released, or names a
 *   term that is over. A deleted key is free after the ttl and a margin.
 * - `held`: left when the term of the session is over, or when the key is missing or another process has written it.
 *   Left also by {@link giveUp}, {@link overtaken} or {@link startOver}. Then it seeks again, or stands by.
 *   {@link handOver} leads to `standby`. A frozen process finds out before it starts anything, because {@link isValid}
 *   reads the clocks.
 * - `closed`: by {@link release} or {@link abandon}.
 *
 * No other replica takes a lease that names a living session. So one that names this process's session and is not held
 * is taken again, or released.
 */
export class Lease implements Tenancy, SessionTenant, SessionListener {
  #mode: LeaseMode = 'idle';
  /** Seeks it; what is held although it is not wanted is about to be handed over. */
  #wanted = false;
  /** Of the last tenure. */
  #epoch = 0;
  /** Set while the mode is `held`. */
  #tenure: HeldLease | undefined;
  /** Every later epoch must be above this one. */
  #above = 0;
  readonly #contender: Contender;
  readonly #log: LeaseLog;
  /** What {@link holder} was when it was last told. */
  #toldHolder: string | undefined;
  #timer: Timer | undefined;
  /** The step under way; two would write over each other. */
  #stepping: Promise<void> | undefined;
  #failing = false;

  constructor(private readonly options: LeaseOptions) {
    this.#contender = new Contender(options);
    this.#log = new LeaseLog(options);
    options.session.join(this);
    options.others.listen(this);
    options.port.onHint((record) => this.#heard(record));
  }

  get owner(): string {
    return this.options.session.member;
  }

  get ttlMs(): number {
    return this.options.session.ttlMs;
  }

  get mode(): LeaseMode {
    return this.#mode;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get held(): { readonly key: string; readonly epoch: number } | undefined {
    return this.#mode === 'held' ? { key: this.options.key, epoch: this.#epoch } : undefined;
  }

  /** The process that holds the partition, as far as this one knows; undefined if it is free. */
  get holder(): string | undefined {
    return this.#mode === 'held' ? this.owner : this.#contender.observed.holder;
  }

  /** How long no owner was seen at work, in milliseconds; 0 where this process is the owner, or takes no part. */
  get ownerlessMs(): number {
    if (this.#mode === 'idle' || this.#mode === 'closed' || this.isValid()) return 0;
    return this.#contender.observed.ownerlessMs(this.options.clock.now());
  }

  /** Reads the clocks, so that a process that was frozen finds out before it starts anything. */
  isValid(): boolean {
    return this.remainingMs() > 0 || (isSabotaged('no-deadline') && this.#epoch > 0);
  }

  remainingMs(): number {
    return this.#tenure?.remainingMs() ?? 0;
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
    this.#next(this.#contender.observed.since === undefined ? 0 : this.#pauseMs());
  }

  /**
   * The holder cannot do its work, and seeks again after every other replica had its turn. Under this epoch nothing was
   * started. So the lease is let go at once, unless a handler of an earlier epoch still runs here.
   */
  giveUp(reason: string): void {
    if (this.#mode !== 'held') return;
    this.#contender.yieldToOthers();
    this.#lose(reason);
  }

  /**
   * Ends this epoch and seeks the next one at once: what comes again must come under a new token. The next epoch will
   * be above `above`, too.
   */
  startOver(reason: string, above = 0): void {
    if (this.#mode !== 'held') return;
    this.#above = Math.max(this.#above, above);
    this.#seekAgain();
    this.#log.takenAgain(reason);
    this.options.listener.startsOver(reason);
    this.#tellHolder();
    this.#next(0);
  }

  overtaken(epoch: number): void {
    if (this.#mode !== 'held') return;
    this.#above = Math.max(this.#above, epoch);
    this.#lose(`its position was claimed in epoch ${epoch}`);
  }

  noteFacts(): void {
    if (this.#mode === 'held') this.#next(this.#pauseMs());
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
    // A write under way moves the revision that the release must name.
    await this.#stepping;
    const tenure = this.isValid() ? this.#tenure : undefined;
    leave();
    try {
      if ((await tenure?.release()) === false) this.#contender.doubt();
    } catch (error) {
      this.#contender.doubt();
      this.#log.notReleased(error);
    }
  }

  /** Takes no part any more and lets the lease run out with the session. */
  abandon(): void {
    this.#mode = 'closed';
    this.#tenure = undefined;
    this.#timer?.cancel();
    this.options.session.leave(this);
    this.options.others.forget(this);
    this.options.port.close();
  }

  sessionBegan(): void {
    if (this.#mode === 'seeking' || this.#mode === 'standby') this.#next(0);
  }

  sessionEnded(reason: string): void {
    if (this.#mode === 'held') this.#lose(`the session of this replica is over: ${reason}`);
  }

  sessionResumed(): void {
    this.#contender.noteMissed();
    this.#tenure?.doubt();
    if (this.#mode === 'held') this.#next(0);
  }

  sessionHeard(news: SessionNews): void {
    if (this.#mode === 'held' || this.#mode === 'closed') return;
    const isHolder = this.#contender.noteSession(news);
    this.#tellHolder();
    if (isHolder && this.#mode !== 'idle') this.#next(this.#pauseMs());
  }

  othersSeen(): void {
    this.sessionBegan();
  }

  #heard(record: LeaseRecord | undefined): void {
    if (this.#mode === 'closed') return;
    if (this.#tenure !== undefined) {
      if (this.#tenure.isOwn(record)) return;
      // It may have been refused; only the record tells.
      this.#tenure.doubt();
      this.#next(0);
      return;
    }
    if (record === undefined) return;
    this.#contender.observed.noteHeard(record, this.options.clock.now());
    if (this.#mode !== 'idle' && record.released === true)
      this.#next(this.#mode === 'seeking' ? 0 : this.#pauseMs());
    this.#tellHolder();
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
      if (this.#mode === 'held') await this.#keep();
      else await this.#read();
      this.#failing = false;
    } catch (error) {
      const first = !this.#failing;
      this.#failing = true;
      if (!this.#is('closed') && first) this.#log.notAnswered(error);
    }
  }

  #pauseMs(): number {
    const now = this.options.clock.now();
    if (this.#tenure !== undefined)
      return Math.max(this.#tenure.dueAt - now, this.#failing ? TRY_AGAIN_MS : 0);
    return this.#contender.pauseMs(this.#mode === 'seeking' ? 'seeking' : 'standby', this.#failing);
  }

  async #keep(): Promise<void> {
    const tenure = this.#tenure;
    const end = await tenure?.keep();
    if (end === undefined || this.#tenure !== tenure) return;
    if (end.kind === 'deleted') {
      this.#contender.noteVacant(end.revision);
      this.startOver('its key was deleted');
    } else this.#lose(`it is held by ${end.owner} in epoch ${end.epoch}`);
  }

  /** Takes it if it is free. */
  async #read(): Promise<void> {
    const before = this.#mode;
    if ((before !== 'seeking' && before !== 'standby') || !this.#contender.mustRead(before)) return;
    const found = await this.options.port.read();
    const mode = this.#mode;
    if (mode !== 'seeking' && mode !== 'standby') return;
    this.#contender.noteRead(found);
    this.#tellHolder();
    const verdict = this.#contender.verdictOn(found, mode);
    if (verdict === 'take') await this.#take(found, mode);
    else if (verdict === 'let go') await this.#letGo(found);
  }

  async #take({ value, revision: expected }: StoredValue<LeaseRecord>, mode: ContenderMode): Promise<void> {
    const { session, port, listener } = this.options;
    const step = value !== undefined && isSabotaged('token-stands-still') ? 0 : 1;
    const { term } = session;
    const epoch = Math.max(value?.epoch ?? 0, this.#above) + step;
    const record = { ...keptBy({ owner: this.owner, term, ttlMs: this.ttlMs }), epoch, ...listener.facts() };
    // Says so until the owner has claimed it, too: a record that was claimed once must exist.
    const { claimed } = value ?? {};
    const inherited = claimed === undefined ? record : { ...record, claimed };
    // Until it is answered the record may name this process, which then holds nothing.
    this.#contender.doubt();
    const revision = await port.write(inherited, expected);
    if (revision === undefined || this.#is('closed') || session.term !== term) return;
    reached('lease: taken');
    if (mode === 'standby') this.#log.takenOver(epoch);
    this.#mode = 'held';
    this.#tenure = new HeldLease(this.options, inherited, revision);
    this.#contender.noteTaken();
    this.#epoch = this.#above = epoch;
    this.#log.held(epoch);
    listener.acquired(value);
    // Our own write can be announced before its answer arrives. Listeners then know the owner, but not that this process
    // is it, so notify again.
    this.#toldHolder = undefined;
    this.#tellHolder();
  }

  /** It names this process, which does not hold it: no other replica takes it until this one says so. */
  async #letGo({ value, revision }: StoredValue<LeaseRecord>): Promise<void> {
    this.#contender.doubt();
    if (value === undefined || !this.#contender.mayLetGo(this.options.listener.isAtRest())) return;
    const written = await this.options.port.write({ ...value, released: true }, revision);
    if (written !== undefined) this.#contender.noteLetGo();
  }

  #seekAgain(): void {
    const record = this.#tenure?.record;
    this.#leave(this.#wanted ? 'seeking' : 'standby');
    this.#contender.noteLost();
    this.#contender.observed.noteAlive(this.options.session.renewedAt);
    // Until another holder is seen it counts as held here: a stall that costs every lease must move no partition.
    if (record !== undefined) this.#contender.observed.assume(record, this.options.clock.now());
  }

  #lose(reason: string): void {
    this.#seekAgain();
    this.#log.lost(this.#epoch, reason);
    this.options.listener.lost(reason);
    this.#tellHolder();
    this.#next(0);
  }

  #leave(mode: 'seeking' | 'standby'): void {
    if (this.#mode === 'closed') return;
    this.#mode = mode;
    this.#tenure = undefined;
    this.#contender.observed.forget();
  }

  #tellHolder(): void {
    const { holder } = this;
    if (holder === this.#toldHolder) return;
    this.#toldHolder = holder;
    this.options.listener.holderChanged();
  }

  /** It may have changed during a request. */
  #is(mode: LeaseMode): boolean {
    return this.#mode === mode;
  }
}
