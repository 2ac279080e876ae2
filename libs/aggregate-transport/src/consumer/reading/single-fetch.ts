import { type Clock, delay } from '../../clock.js';
import { describeError, errorFields } from '../../errors.js';
import type { LogAt } from '../../log.js';
import type { Delivery } from '../../message/delivery.js';
import type { ReaderPort } from '../../message/reader-port.js';

/** Takes what was fetched, in order. */
export interface FetchSink {
  /** Undefined: the stream does not hold it any more. */
  fetched(sequence: number, event: Delivery | undefined): void;
  /** False while what is in lanes has to be handled first. */
  hasRoom(): boolean;
}

export interface SingleFetchOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly port: Pick<ReaderPort, 'find' | 'stream'>;
  readonly clock: Clock;
  readonly log: LogAt<'partition'>;
}

const AT_ONCE = 256;
const TRY_AGAIN_MS = 20;
const MAX_TRY_AGAIN_MS = 500;
const WAIT_FOR_ROOM_MS = 10;

/**
 * Fetches unsettled events one by one from the stream's leader. Some lie so far back that reading through to them takes
 * longer. Others are those that a reader has gone past.
 */
export class SingleFetch {
  #failing: { readonly since: number; readonly why: string } | undefined;

  constructor(private readonly options: SingleFetchOptions) {}

  /** Since when the stream's leader does not answer, on the clock, and why; undefined if it does, or nothing is asked. */
  get failing(): { readonly since: number; readonly why: string } | undefined {
    return this.#failing;
  }

  /** Resolves when all were handed to the sink, or `isCurrent` says that nothing waits for them any more. */
  async fetch(sequences: readonly number[], sink: FetchSink, isCurrent: () => boolean): Promise<void> {
    for (let from = 0; from < sequences.length; from += AT_ONCE) {
      while (!sink.hasRoom()) {
        await delay(this.options.clock, WAIT_FOR_ROOM_MS);
        if (!isCurrent()) return;
      }
      const some = sequences.slice(from, from + AT_ONCE);
      const found = await this.#untilAnswered(some, isCurrent);
      if (found === undefined || !isCurrent()) return;
      for (const [index, event] of found.entries()) sink.fetched(some[index] ?? 0, event);
    }
  }

  async #untilAnswered(
    sequences: readonly number[],
    isCurrent: () => boolean,
  ): Promise<readonly (Delivery | undefined)[] | undefined> {
    const { clock, log, name } = this.options;
    let isReported = false;
    for (let pauseMs = TRY_AGAIN_MS; isCurrent(); pauseMs = Math.min(MAX_TRY_AGAIN_MS, 2 * pauseMs)) {
      try {
        const found = await Promise.all(sequences.map((sequence) => this.options.port.find(sequence)));
        if (await this.#isBelievable(sequences, found)) {
          this.#failing = undefined;
          return found;
        }
      } catch (error) {
        const why = describeError(error);
        this.#failing = { since: this.#failing?.since ?? clock.now(), why };
        const text = `${name}: unsettled events cannot be fetched, trying again: ${why}`;
        if (!isReported) log.write('events-not-fetched', errorFields(error), text);
        isReported = true;
      }
      await delay(clock, pauseMs);
    }
    this.#failing = undefined;
    return undefined;
  }

  /** "Not found" counts only if the same leader knows a stream that reaches so far. */
  async #isBelievable(
    sequences: readonly number[],
    found: readonly (Delivery | undefined)[],
  ): Promise<boolean> {
    const missing = sequences.filter((_, index) => found[index] === undefined).at(-1);
    if (missing === undefined) return true;
    return (await this.options.port.stream()).lastSequence >= missing;
  }
}
