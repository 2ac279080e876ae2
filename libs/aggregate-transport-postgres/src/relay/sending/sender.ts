import { setMaxListeners } from 'node:events';
import { isSabotaged, reached } from '#sabotage';
import type {
  AggregateTail,
  AggregateTransportError,
  ChainOutcome,
  CheckedEvent,
  StreamProgress,
} from 'nestjs-aggregate-transport';
import type { Clock } from '../../clock.js';
import { areAmong, chainOf, storedAmong } from './chain.js';
import { chainEndOf, consequenceOf } from './consequence.js';
import type { Lane, PendingRow } from './lane.js';
import type { Lanes } from './lanes.js';
import { NextAnswer } from './next-answer.js';
import type { StreamHeight } from './stream-height.js';
import { type RelayTrouble, Waits } from './waits.js';

/** The topic's stream as a relay needs it: what `publisher.chained` of the core is. */
export interface RelayTarget {
  publish(
    events: readonly CheckedEvent[],
    after: number,
    signal: AbortSignal,
  ): Promise<readonly ChainOutcome[]>;
  tailOf(
    token: string,
    after: number,
    signal: AbortSignal,
    isOwn: (eventId: string) => boolean,
  ): Promise<AggregateTail>;
  progress(): Promise<StreamProgress>;
  resume(token: string): void;
}

export interface SenderListener {
  /** These rows are stored: by a receipt, or found in the stream. */
  stored(rows: readonly PendingRow[]): void;
  /** The lane's first row was refused for good. The lane is stopped. */
  refused(lane: Lane, error: AggregateTransportError): void;
  /** An attempt failed for now, and is made again. */
  failed(error: unknown): void;
  /** It is another stream than before, or one that went back. Nothing known of its sequences is true any more. */
  streamChanged(): void;
}

export interface SenderParts {
  readonly target: RelayTarget;
  readonly lanes: Lanes;
  readonly height: StreamHeight;
  readonly clock: Clock;
  readonly listener: SenderListener;
  /** Ends everything. What was not sent then is never sent. */
  readonly signal: AbortSignal;
}

/**
 * Rows of one aggregate that are sent together. The core stores most of a long chain in atomic batches of
 * `publish.maxBatch` events, 500 by default. With fewer rows a batch seldom pays.
 */
const CHAIN = { rows: 1_001, bytes: 4_194_304 };
/** Aggregates whose tails are read at once. */
const MAX_LOOKS = 256;
/** A foreign publisher may come between a few times; then pauses begin. */
const LOOKS_AT_ONCE = 3;

/**
 * Looks up and sends what is ready: per aggregate one thing at a time, aggregates side by side.
 *
 * Before a row is sent for the first time, the aggregate's last sequence has to be known. An earlier receipt
 * tells it, or a look at its tail. The look also finds rows that an earlier relay has sent. The stream may be another
 * one than before, so its `created` is read after the tail: sequences of two streams are never compared.
 */
export class Sender {
  /** Answers false if it is another stream than before. */
  readonly #isSameStream: NextAnswer<boolean>;
  readonly #calls = new Set<AbortController>();
  /** Those of calls that have ended. Making one takes longer than all else that is done for a call. */
  readonly #unused: AbortController[] = [];
  readonly #waits: Waits;
  #looks = 0;
  #isDraining = false;

  constructor(private readonly parts: SenderParts) {
    const { target, height, signal } = parts;
    this.#isSameStream = new NextAnswer(async () => {
      const known = height.highest;
      return height.renew(await target.progress(), known);
    });
    this.#waits = new Waits(parts.clock, (lane) => this.#again(lane));
    // One listener for all calls: each would be searched for among thousands when its call ends.
    signal.addEventListener('abort', () => this.#abortCalls(), { once: true });
  }

  /** Events of some aggregates are not stored now. It ends by itself when they are. */
  get trouble(): RelayTrouble | undefined {
    return this.#waits.trouble;
  }

  /** Nothing is on its way. */
  get isIdle(): boolean {
    return this.#looks + this.#calls.size === 0;
  }

  /** Begins nothing more. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Begins what is ready. */
  start(): void {
    if (this.#isDraining || this.parts.signal.aborted) return;
    const { lanes } = this.parts;
    for (const lane of lanes.readyToSend) void this.#send(lane);
    for (const lane of lanes.readyToLook) {
      if (this.#looks >= MAX_LOOKS) return;
      void this.#look(lane);
    }
  }

  async #look(lane: Lane): Promise<void> {
    const { target, lanes, listener, signal } = this.parts;
    const after = lane.startLooking();
    lanes.noteChanged(lane);
    this.#looks++;
    try {
      const isOwn = (id: string): boolean => lane.rows.some(({ event }) => event.eventId === id);
      const tail = await target.tailOf(lane.token, after, signal, isOwn);
      if (!(await this.#isSameStream.ask())) listener.streamChanged();
      if (signal.aborted) return;
      // Read from a sequence of the stream that was known before: read again.
      if (after > 0 && lane.rows.some(({ floor }) => floor < after)) lane.lookAgain();
      else this.#found(lane, tail);
    } catch (error) {
      this.#pause(lane, error);
    } finally {
      this.#looks--;
      this.#ended(lane);
    }
  }

  #found(lane: Lane, { last, sequences }: AggregateTail): void {
    const { height, listener } = this.parts;
    height.note(last);
    const found = isSabotaged('no-look-up') ? 0 : storedAmong(lane.rows, sequences);
    const stored = lane.noteLook(found, last, areAmong(lane.rows, sequences));
    lane.proceed();
    if (stored.length === 0) return;
    this.#waits.forget(lane);
    listener.stored(stored);
  }

  async #send(lane: Lane): Promise<void> {
    const { target, lanes } = this.parts;
    const after = lane.startSending();
    lanes.noteChanged(lane);
    const call = this.#unused.pop() ?? newCall();
    this.#calls.add(call);
    try {
      const chain = chainOf(lane.rows, CHAIN);
      reached('relay: sending');
      if (isSabotaged('marked-before-receipt')) this.parts.listener.stored(chain);
      this.#sent(
        lane,
        await target.publish(
          chain.map(({ event }) => event),
          after,
          call.signal,
        ),
      );
    } catch (error) {
      this.#pause(lane, error);
    } finally {
      this.#calls.delete(call);
      this.#unused.push(call);
      this.#ended(lane);
    }
  }

  #abortCalls(): void {
    for (const call of this.#calls) call.abort(this.parts.signal.reason);
  }

  #sent(lane: Lane, outcomes: readonly ChainOutcome[]): void {
    const { height, listener, target } = this.parts;
    const { stored, last, failure } = chainEndOf(outcomes);
    if (last !== undefined) {
      reached('relay: stored');
      height.note(last);
      listener.stored(lane.noteStored(stored, last));
      this.#waits.noteStored(lane);
    }
    if (failure === undefined) {
      lane.proceed();
      return;
    }
    const consequence = consequenceOf(failure);
    if (consequence === 'stop') {
      lane.stop();
      this.#waits.forget(lane);
      listener.refused(lane, failure);
    } else if (consequence === 'look up' && lane.failures < LOOKS_AT_ONCE) lane.lookAgain();
    else {
      if (consequence === 'resume') target.resume(lane.token);
      this.#pause(lane, failure);
    }
  }

  #pause(lane: Lane, error: unknown): void {
    const { listener, signal } = this.parts;
    lane.wait();
    if (signal.aborted) return;
    listener.failed(error);
    this.#waits.add(lane, error);
  }

  #again(lane: Lane): void {
    if (this.parts.signal.aborted) return;
    lane.endWait();
    this.parts.lanes.noteChanged(lane);
    this.start();
  }

  #ended(lane: Lane): void {
    if (this.parts.signal.aborted) return;
    this.parts.lanes.noteChanged(lane);
    this.start();
  }
}

function newCall(): AbortController {
  const call = new AbortController();
  setMaxListeners(CHAIN.rows, call.signal);
  return call;
}
