import { isSabotaged } from '#sabotage';
import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { muteRejection } from '../../foreign.js';
import { onAbort } from '../../on-abort.js';
import { PassingMap } from '../../passing-map.js';
import { aborted, saturated } from '../publish-errors.js';
import type { FailureListener } from '../sequencer-options.js';
import type { WaitingCall } from './waiting-call.js';

export interface CallTurnsOptions {
  /** Events whose calls may wait, at most. */
  readonly maxWaiting: number;
  readonly clock: Clock;
}

/** The calls of one aggregate that wait. */
interface Line {
  readonly calls: Set<WaitingCall>;
  /** Settles when the last call that waits, and all before it, have gone or were given up. */
  last: Promise<unknown>;
}

/** How long a schema may take to answer, in milliseconds. Later calls of its aggregate wait as long. */
export const ANSWER_WITHIN_MS = 10_000;

/**
 * Keeps the calls of an aggregate in call order while schemas answer later. Otherwise this would happen:
 *
 * 1. `publish` is called with event A. Its schema asks a database.
 * 2. `publish` is called with event B of the same aggregate. Its schema answers at once.
 * 3. B is stored, and A after it.
 *
 * So a call waits for its own answer and for all earlier calls of its aggregates. A call that is refused, called off or
 * late lets the next one pass. One that was made while an event was queued fails with that event ({@link WaitingCall}).
 */
export class CallTurns implements FailureListener {
  readonly #lines = new PassingMap<string, Line>();
  #waiting = 0;

  constructor(private readonly options: CallTurnsOptions) {}

  /** Events of calls that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** True if no earlier call of these aggregates waits. */
  isFree(tokens: Iterable<string>): boolean {
    if (isSabotaged('publisher-passes-checks')) return true;
    for (const token of tokens) if (this.#lines.has(token)) return false;
    return true;
  }

  /** A queued event of this aggregate failed: the calls that wait now were made after it, and fail, too. */
  predecessorFailed(token: string, error: () => AggregateTransportError): void {
    for (const call of this.#lines.get(token)?.calls ?? []) call.fail(token, error());
  }

  /**
   * Calls `go` when the call is ready and no earlier call of its aggregates waits. What `go` returns is not awaited.
   * `ready` never rejects.
   * @throws PUBLISHER_SATURATED, ABORTED, EVENT_INVALID if it is not ready in time: `go` is not called
   * @throws PREDECESSOR_REJECTED, PREDECESSOR_UNKNOWN if nothing of it is left to send: `go` is not called
   */
  async wait<T, R>(
    call: WaitingCall,
    ready: Promise<T>,
    go: (ready: T) => R,
  ): Promise<{ readonly value: R }> {
    const { maxWaiting } = this.options;
    const { tokens, events } = call.options;
    if (this.#waiting + events > maxWaiting) throw saturated(maxWaiting);
    const before = [...tokens].flatMap((token) => this.#lines.get(token)?.last ?? []);
    const turn = this.#turn(call, { ready, before }, go);
    const ended = Promise.allSettled([turn, ...before]);
    for (const token of tokens) this.#join(token, call, ended);
    this.#waiting += events;
    void ended.then(() => {
      this.#waiting -= events;
      for (const token of tokens) this.#leave(token, call, ended);
    });
    return turn;
  }

  /** Resolves when every call that waits now has gone or was given up. */
  async idle(): Promise<void> {
    await Promise.all([...this.#lines.values()].map(({ last }) => last));
  }

  #join(token: string, call: WaitingCall, last: Promise<unknown>): void {
    const line = this.#lines.get(token);
    if (line === undefined) this.#lines.set(token, { calls: new Set([call]), last });
    else {
      line.calls.add(call);
      line.last = last;
    }
  }

  #leave(token: string, call: WaitingCall, last: Promise<unknown>): void {
    const line = this.#lines.get(token);
    if (line?.last === last) this.#lines.delete(token);
    else line?.calls.delete(call);
  }

  async #turn<T, R>(
    { over, options: { signal } }: WaitingCall,
    { ready, before }: { readonly ready: Promise<T>; readonly before: readonly Promise<unknown>[] },
    go: (ready: T) => R,
  ): Promise<{ readonly value: R }> {
    const passed = Promise.all(before);
    const value = await this.#within(Promise.race([over, ready]), signal);
    await until(Promise.race([over, passed]), signal);
    return { value: go(value) };
  }

  async #within<T>(ready: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    let expire: () => void = () => undefined;
    const late = new Promise<never>((_resolve, reject) => {
      expire = () => reject(tooLate());
    });
    muteRejection(late);
    const timer = this.options.clock.after(ANSWER_WITHIN_MS, expire);
    try {
      return await until(Promise.race([ready, late]), signal);
    } finally {
      timer.cancel();
    }
  }
}

/** @throws ABORTED */
async function until<T>(awaited: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return awaited;
  if (signal.aborted) throw aborted(signal.reason);
  let release: () => void = () => undefined;
  const called = new Promise<never>((_resolve, reject) => {
    release = onAbort(signal, () => reject(aborted(signal.reason)));
  });
  try {
    return await Promise.race([awaited, called]);
  } finally {
    release();
  }
}

function tooLate(): AggregateTransportError {
  return new AggregateTransportError(
    'EVENT_INVALID',
    `expected the schema to answer within ${ANSWER_WITHIN_MS} ms, found no answer; nothing was sent: check outside of ` +
      'the schema what needs another system',
  );
}
