import { reached } from '#sabotage';
import { type AggregateTransportError, aggregateIdOf } from 'nestjs-aggregate-transport';
import type { Clock, Timer } from '../clock.js';
import type { Log } from '../log.js';
import type { SchemaNames } from '../schema/schema-names.js';
import { Loader } from './loader.js';
import type { LockedSession } from './records/locked-session.js';
import { type Prune, pruneStatement } from './records/prune.js';
import type { RelayRecords, TakeOver } from './records/relay-records.js';
import { type Shard, slotsOf } from './records/shard.js';
import { type Stop, Stops } from './records/stops.js';
import { RowReader } from './rows/row-reader.js';
import { reasonOf } from './sending/consequence.js';
import type { Lane, PendingRow } from './sending/lane.js';
import { type LaneLimits, Lanes } from './sending/lanes.js';
import { type RelayTarget, Sender, type SenderListener } from './sending/sender.js';
import type { StreamHeight } from './sending/stream-height.js';
import type { RelayTrouble } from './sending/waits.js';
import { Wake } from './wake.js';

/** What the operator hears of one relay. */
export interface TenureListener {
  stopped(stop: Stop): void;
  published(count: number): void;
  retried(error: unknown): void;
}

export interface TenureParts {
  readonly topic: string;
  readonly shard: Shard;
  readonly names: SchemaNames;
  readonly session: LockedSession;
  readonly records: RelayRecords;
  readonly target: RelayTarget;
  readonly height: StreamHeight;
  readonly takeOver: TakeOver;
  readonly limits: LaneLimits;
  /** How often the database is asked without a notification. */
  readonly pollMs: number;
  /** Undefined if published rows are deleted. */
  readonly keepPublishedMs: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly listener: TenureListener;
}

/**
 * The next turn begins no sooner than so many times as long as the last one took, after its beginning. Bounds are in
 * milliseconds. So what a busy outbox adds and what is stored meanwhile come together, and a slow database is asked
 * less often. Without it each transaction's few rows cost a read and a mark of their own.
 */
const PACE = { times: 4, least: 5, most: 20 };
/** Marks of one statement. */
const MARKS_AT_ONCE = 2_000;
const PRUNE_EVERY_MS = 10_000;

/**
 * Relays one shard for as long as its session holds the lock. One statement runs at a time, on that session: marks,
 * then what was stopped, then a read. Look-ups and sends run beside it.
 */
export class Tenure implements SenderListener {
  readonly #lanes: Lanes;
  readonly #loader: Loader;
  readonly #sender: Sender;
  readonly #stops: Stops;
  readonly #end = new AbortController();
  readonly #wake = new Wake();
  readonly #prune: Prune | undefined;
  readonly #refused: Stop[] = [];
  #stored: number[] = [];
  #wantsRows = true;
  #wantsCommands = true;
  #mustForget = false;
  #isDraining = false;
  #poll: Timer | undefined;
  #prunedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly parts: TenureParts) {
    const { topic, shard, names, session, records, target, height, takeOver, limits, clock } = parts;
    const { signal } = this.#end;
    const slots = slotsOf(shard);
    const lanes = new Lanes(limits);
    const stops = new Stops(session.run, topic, names);
    const reader = new RowReader(session.run, topic, slots, names);
    this.#lanes = lanes;
    this.#stops = stops;
    this.#loader = new Loader({ reader, records, stops, lanes, height, takeOver, slots });
    this.#sender = new Sender({ target, lanes, height, clock, listener: this, signal });
    this.#prune =
      parts.keepPublishedMs === undefined ? undefined : pruneStatement(names, slots, parts.keepPublishedMs);
  }

  /** Rows in memory whose mark is not committed. */
  get rows(): number {
    return this.#lanes.size;
  }

  get bytes(): number {
    return this.#lanes.bytes;
  }

  /** Events of some aggregates are not stored now. */
  get trouble(): RelayTrouble | undefined {
    return this.#sender.trouble;
  }

  /** Rows were added. */
  wake(): void {
    this.#wantsRows = true;
    this.#wake.set();
  }

  /** An operator has given a command. */
  readCommands(): void {
    this.#wantsCommands = true;
    this.#wake.set();
  }

  /** Begins nothing more. {@link run} resolves when what is on its way has ended and is marked. */
  drain(): void {
    this.#isDraining = true;
    this.#sender.drain();
    this.#wake.set();
  }

  /** Ends at once: what was not sent is never sent. Safe to call twice. */
  abort(reason: Error): void {
    this.#end.abort(reason);
    this.#poll?.cancel();
    this.#wake.set();
  }

  /** Relays until {@link drain} or {@link abort}. Rejects with what a statement failed with. */
  async run(): Promise<void> {
    const { clock } = this.parts;
    this.#pollAgain();
    try {
      for (;;) {
        if (this.#end.signal.aborted) return;
        const from = clock.now();
        const hasMore = await this.#turn();
        const to = clock.now();
        if (this.#isDraining && this.#sender.isIdle && this.#stored.length + this.#refused.length === 0)
          return;
        if (hasMore) continue;
        await this.#wake.next();
        await this.#pace(from, to);
      }
    } finally {
      this.abort(new Error('the relay has ended'));
    }
  }

  stored(rows: readonly PendingRow[]): void {
    for (const { id } of rows) this.#stored.push(id);
    this.#wake.set();
  }

  refused(lane: Lane, error: AggregateTransportError): void {
    const [row] = lane.rows;
    this.#loader.noteStopped(lane.token);
    if (row !== undefined) {
      const { id, event } = row;
      const { code } = error;
      this.#refused.push({
        aggregate: lane.token,
        id,
        eventId: event.eventId,
        code,
        reason: reasonOf(error),
      });
    }
    this.#wake.set();
  }

  failed(error: unknown): void {
    this.parts.listener.retried(error);
    this.#wake.set();
  }

  streamChanged(): void {
    const { topic, log } = this.parts;
    const text = `topic "${topic}": the stream was made again, or went back; every aggregate is looked up again`;
    log.write('stream-changed', { topic }, text);
    this.#lanes.forgetSequences();
    this.#mustForget = true;
    this.#wake.set();
  }

  /** Resolves with true if there is more to do at once. */
  async #turn(): Promise<boolean> {
    const { records, height } = this.parts;
    if (this.#mustForget) {
      this.#mustForget = false;
      await records.forgetCheckpoint(height.created);
    }
    await this.#mark();
    await this.#writeStops();
    if (this.#isDraining) return false;
    await this.#readCommands();
    await this.#pruneSome();
    const hasMore = await this.#read();
    this.#sender.start();
    return hasMore;
  }

  /** Waits until the next turn may begin: not at all after a rest. `from`: when the last one began. */
  async #pace(from: number, to: number): Promise<void> {
    const { clock } = this.parts;
    const gap = Math.min(Math.max(PACE.times * (to - from), PACE.least), PACE.most);
    const rest = from + gap - clock.now();
    if (rest > 0 && !this.#end.signal.aborted)
      await new Promise<void>((done) => void clock.after(rest, done));
  }

  async #read(): Promise<boolean> {
    if (!this.#wantsRows) return false;
    // A notification during the read asks for another one.
    this.#wantsRows = false;
    const hasMore = await this.#loader.load();
    if (hasMore || this.#lanes.room === undefined) this.#wantsRows = true;
    return hasMore && this.#lanes.room !== undefined;
  }

  async #mark(): Promise<void> {
    while (this.#stored.length > 0) {
      const ids = this.#stored.splice(0, MARKS_AT_ONCE);
      this.#lanes.release(ids);
      // No row of these is unmarked any more once this is committed.
      await this.parts.records.mark(ids, this.#mustForget ? undefined : this.#loader.checkpoint);
      reached('relay: marked');
      this.parts.listener.published(ids.length);
      if (this.#loader.isBehind) this.#wantsRows = true;
    }
  }

  async #writeStops(): Promise<void> {
    for (let stop = this.#refused[0]; stop !== undefined; stop = this.#refused[0]) {
      await this.#stops.write(stop);
      this.#refused.shift();
      const lane = this.#lanes.find(stop.aggregate);
      if (lane !== undefined) this.#lanes.drop(lane);
      this.#loader.noteStopWritten(stop.aggregate);
      const { topic, log, listener } = this.parts;
      const id = aggregateIdOf(stop.aggregate);
      const { eventId, code, reason } = stop;
      log.write(
        'aggregate-stopped',
        { topic, aggregate: id, eventId, errorCode: code, why: reason },
        `topic "${topic}": aggregate "${id}" is stopped, its event ${eventId} was refused: ${code}: ` +
          `${reason}; correct the cause, then: npx aggregate-transport outbox retry`,
      );
      listener.stopped(stop);
    }
  }

  async #readCommands(): Promise<void> {
    if (!this.#wantsCommands) return;
    this.#wantsCommands = false;
    const retries = await this.#stops.retries();
    this.#loader.retry(retries);
  }

  async #pruneSome(): Promise<void> {
    const now = this.parts.clock.now();
    if (this.#prune === undefined || now - this.#prunedAt < PRUNE_EVERY_MS) return;
    const isDone = await this.#prune(this.parts.session.run, this.parts.topic);
    if (isDone) this.#prunedAt = now;
  }

  #pollAgain(): void {
    const { clock, pollMs } = this.parts;
    this.#poll = clock.after(pollMs, () => {
      this.wake();
      this.readCommands();
      this.#pollAgain();
    });
  }
}
