import { reached } from '#sabotage';
import { type Clock, delay, type Timer } from '../../clock.js';
import { describeError, errorFields } from '../../errors.js';
import type { LogAt } from '../../log.js';
import type { KeyPort } from '../../records/key-port.js';
import type { PositionRecord } from '../../records/position-record.js';
import type { CommitPace } from './commit-pace.js';

/** What a record says besides its owner. */
export type PositionBody = Omit<PositionRecord, 'v' | 'epoch' | 'owner' | 'write' | 'rest' | 'drained'>;

/** Knows what the next record says. */
export interface PositionSource {
  /** Taken and sent within one turn, so that a record is true at one moment. */
  snapshot(): PositionBody;
}

/** Hears what becomes of commits. */
export interface PositionListener {
  /** A commit was confirmed: there may be room for more events, and letters may be replayed. */
  confirmed(record: PositionRecord): void;
  /** Another owner has claimed the position. */
  superseded(epoch: number): void;
  /** The record cannot be written at all. */
  unwritable(reason: string): void;
}

export interface PositionWriterOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly port: KeyPort<PositionRecord>;
  readonly source: PositionSource;
  readonly listener: PositionListener;
  readonly pace: CommitPace;
  readonly clock: Clock;
  readonly log: LogAt<'partition'>;
}

/** Marks that a last commit carries. */
export type LastCommit = Pick<PositionRecord, 'rest' | 'drained'>;

/** Names a moment: what was settled before it is confirmed when {@link PositionWriter.isConfirmed} says so. */
export type Ticket = number;

type Mode = 'unclaimed' | 'clean' | 'due' | 'writing' | 'checking';

const MAY_COME_FROM: Readonly<Record<Mode, readonly Mode[]>> = {
  unclaimed: ['unclaimed', 'clean', 'due', 'writing', 'checking'],
  clean: ['unclaimed', 'writing', 'checking'],
  due: ['clean', 'due', 'writing', 'checking'],
  writing: ['due'],
  checking: ['writing'],
};

const CHECK_AGAIN_MS = 20;
const MAX_CHECK_AGAIN_MS = 500;

interface Tenure {
  readonly owner: string;
  readonly epoch: number;
  revision: number;
  write: number;
  last: LastCommit;
}

interface Waiter {
  readonly ticket: Ticket;
  readonly resolve: (isConfirmed: boolean) => void;
}

/**
 * Keeps the record of a partition's position up to date, one write after the other. Its modes:
 *
 * - `unclaimed`: nothing is written. Left by {@link begin}, entered again by {@link end}.
 * - `clean`: the record says all that is known. Left by {@link noteChange}.
 * - `due`: something was settled; the next commit leaves when its pace allows.
 * - `writing`: one commit is on its way. There is never a second one.
 * - `checking`: a commit was refused or not answered. The record is read from the leader: a higher epoch ends the
 *   tenure, this very write counts as answered, anything else is written over.
 */
export class PositionWriter {
  #mode: Mode = 'unclaimed';
  #tenure: Tenure | undefined;
  #timer: Timer | undefined;
  #version = 0;
  #sentVersion = 0;
  #confirmedVersion = 0;
  #isUrgent = false;
  #waiters: Waiter[] = [];
  #failingSince: number | undefined;
  #why: string | undefined;
  /** Before the next try, should this one fail: grows until a commit is confirmed. */
  #pauseMs = CHECK_AGAIN_MS;
  #isReported = false;
  #bytes = 0;

  constructor(private readonly options: PositionWriterOptions) {}

  /** The record is larger than half of what the server takes: nothing more should be taken in. */
  get isFull(): boolean {
    return 2 * this.#bytes > this.options.port.maxBytes;
  }

  /** What the intake waits for while the record {@link isFull}. */
  get fullWhy(): string {
    return (
      `expected a position of at most half of max_payload (${this.options.port.maxBytes} bytes), found ${this.#bytes} bytes: ` +
      'nothing is taken in until events are settled; raise max_payload, or fix the handlers that hang'
    );
  }

  /** A claim stands, so something can be written. */
  get hasBegun(): boolean {
    return this.#tenure !== undefined;
  }

  /** Since when commits are not confirmed, on the clock; undefined if they are. */
  get failingSince(): number | undefined {
    return this.#failingSince;
  }

  /** What was found instead of the last answer; undefined if commits are confirmed. */
  get why(): string | undefined {
    return this.#why;
  }

  /** The claim stands: from here on changes are written under its epoch. A mark of a drain stays until {@link resume}. */
  begin({ owner, epoch, write, drained }: PositionRecord, revision: number): void {
    // A claim may be read again in its own epoch while an earlier write is still on its way. The numbers continue, so that
    // no later write is taken for that one.
    const earlier = this.#tenure?.epoch === epoch ? this.#tenure.write : 0;
    this.end();
    this.#tenure = {
      owner,
      epoch,
      revision,
      write: Math.max(write, earlier),
      last: drained === undefined ? {} : { drained },
    };
    this.#version = this.#sentVersion = this.#confirmedVersion = 0;
    this.#bytes = 0;
    this.#enter('clean');
  }

  /** The tenure is over: nothing is written any more, and what waits for a confirmation hears `false`. */
  end(): void {
    this.#enter('unclaimed');
    this.#tenure = undefined;
    this.#failingSince = this.#why = undefined;
    this.#timer?.cancel();
    this.#isUrgent = false;
    for (const { resolve } of this.#waiters.splice(0)) resolve(false);
  }

  /** Something was settled, or is to be said otherwise. */
  noteChange(): void {
    if (this.#tenure === undefined) return;
    this.#version++;
    if (this.#mode === 'clean') this.#schedule(0);
    else if (this.#mode === 'due' && this.options.pace.beginsToPress(this.#unsent) && !this.#isRetry)
      this.#schedule(0);
  }

  /** Everything noted up to now. */
  ticket(): Ticket {
    return this.#version;
  }

  isConfirmed(ticket: Ticket): boolean {
    return this.#tenure !== undefined && this.#confirmedVersion >= ticket;
  }

  /**
   * Writes what is known now, without the pauses between commits. Resolves with true when a record taken after this
   * call is confirmed, with false if the tenure ends first.
   */
  commitNow(): Promise<boolean> {
    if (this.#tenure === undefined) return Promise.resolve(false);
    this.noteChange();
    const ticket = this.#version;
    const confirmed = new Promise<boolean>((resolve) => this.#waiters.push({ ticket, resolve }));
    this.#isUrgent = true;
    if (this.#mode === 'due') this.#schedule(0);
    return confirmed;
  }

  /** The last commit of a drain; see {@link commitNow}. Later commits carry its marks until {@link resume}. */
  finish(last: LastCommit): Promise<boolean> {
    if (this.#tenure !== undefined) this.#tenure.last = { ...this.#tenure.last, ...last };
    return this.commitNow();
  }

  /**
   * Undoes {@link finish}. Undefined if no commit has carried a mark; else resolves as {@link commitNow} does when one
   * without them is confirmed.
   */
  resume(): Promise<boolean> | undefined {
    if (this.#tenure === undefined || Object.keys(this.#tenure.last).length === 0) return undefined;
    this.#tenure.last = {};
    return this.commitNow();
  }

  /** Changes since the last commit was sent. */
  get #unsent(): number {
    return this.#version - this.#sentVersion;
  }

  /** The commit before this one failed. */
  get #isRetry(): boolean {
    return this.#pauseMs > CHECK_AGAIN_MS;
  }

  #schedule(leastMs: number): void {
    this.#enter('due');
    this.#timer?.cancel();
    const { clock, pace } = this.options;
    const waitMs = Math.max(leastMs, this.#isUrgent ? 0 : pace.waitMs(this.#unsent));
    const tenure = this.#tenure;
    const commit = (): void => {
      if (this.#mode === 'due' && this.#tenure === tenure) void this.#commit();
    };
    if (waitMs > 0) this.#timer = clock.after(waitMs, commit);
    else clock.nextTurn(commit);
  }

  async #commit(): Promise<void> {
    const tenure = this.#tenure;
    if (tenure === undefined) return;
    const { port, source, pace, clock } = this.options;
    const version = (this.#sentVersion = this.#version);
    this.#isUrgent = false;
    const { owner, epoch, last } = tenure;
    const record: PositionRecord = {
      v: 1,
      epoch,
      owner,
      write: ++tenure.write,
      ...source.snapshot(),
      ...last,
    };
    this.#bytes = bytesOf(record);
    if (this.#bytes > port.maxBytes) {
      this.#giveUp(this.#bytes);
      return;
    }
    this.#enter('writing');
    pace.noteSent(this.#bytes);
    this.#failingSince ??= clock.now();
    const revision = await port.write(record, tenure.revision).catch((error: unknown) => {
      this.#report(error);
      return undefined;
    });
    if (this.#tenure !== tenure) return;
    reached('commit: written');
    if (revision === undefined) await this.#check(tenure, record, version);
    else this.#confirm(record, revision, version);
  }

  #confirm(record: PositionRecord, revision: number, version: number): void {
    const { pace, listener } = this.options;
    if (this.#tenure === undefined) return;
    this.#tenure.revision = revision;
    this.#confirmedVersion = version;
    this.#failingSince = this.#why = undefined;
    this.#pauseMs = CHECK_AGAIN_MS;
    this.#isReported = false;
    pace.noteAnswered();
    this.#enter('clean');
    if (this.#version > version) this.#schedule(0);
    this.#waiters = this.#waiters.filter(({ ticket, resolve }) => {
      if (ticket > version) return true;
      resolve(true);
      return false;
    });
    listener.confirmed(record);
  }

  /** A write of ours may still be under way; then the next one is refused, and this runs again. */
  async #check(tenure: Tenure, record: PositionRecord, version: number): Promise<void> {
    this.#enter('checking');
    const { port, clock, listener } = this.options;
    for (;;) {
      const found = await port.read().catch((error: unknown) => {
        this.#report(error);
        return undefined;
      });
      if (this.#tenure !== tenure) return;
      const pauseMs = this.#pauseMs;
      this.#pauseMs = Math.min(MAX_CHECK_AGAIN_MS, 2 * pauseMs);
      if (found === undefined) {
        await delay(clock, pauseMs);
        if (this.#tenure !== tenure) return;
        continue;
      }
      const { value, revision } = found;
      if (value !== undefined && value.epoch > tenure.epoch) {
        this.end();
        listener.superseded(value.epoch);
        return;
      }
      const isOwn = value?.epoch === tenure.epoch && value.owner === tenure.owner;
      if (isOwn && value.write === record.write) {
        this.#confirm(record, revision, version);
        return;
      }
      tenure.revision = revision;
      this.#schedule(pauseMs);
      return;
    }
  }

  /** Said once until a commit is confirmed. */
  #report(error: unknown): void {
    const { log, name } = this.options;
    this.#why = describeError(error);
    const text = `${name}: its position cannot be committed, trying again: ${this.#why}`;
    if (!this.#isReported) log.write('position-not-committed', errorFields(error), text);
    this.#isReported = true;
  }

  #giveUp(bytes: number): void {
    const { port, listener } = this.options;
    this.end();
    listener.unwritable(
      `expected its position to fit into a message of ${port.maxBytes} bytes, found ${bytes}; raise max_payload of the ` +
        'server, or lower consume.maxAckPending and restart',
    );
  }

  #enter(mode: Mode): void {
    if (!MAY_COME_FROM[mode].includes(this.#mode)) {
      throw new Error(`${this.options.name}: a position writer cannot go from ${this.#mode} to ${mode}`);
    }
    this.#mode = mode;
  }
}

/** All that grows in a record is ASCII. */
function bytesOf(record: PositionRecord): number {
  return Buffer.byteLength(JSON.stringify(record));
}
