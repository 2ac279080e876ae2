import { isSabotaged } from '#sabotage';
import type { AggregateTransportError } from '../../errors.js';
import { muteRejection } from '../../foreign.js';
import { refusedTogether } from '../publish-errors.js';

/** What a call loses when an earlier event fails: its events of that aggregate, or all. An outbox's check: none. */
export type CallReach = 'aggregate' | 'list' | 'none';

export interface WaitingCallOptions {
  /** The aggregates of its events. */
  readonly tokens: ReadonlySet<string>;
  /** How many events it has. */
  readonly events: number;
  readonly signal: AbortSignal | undefined;
  readonly reach: CallReach;
}

/**
 * A call that waits for its schema, or for an earlier call that does. Its events are not queued yet, but they were
 * called after those that are. So they share the fate of queued ones:
 *
 * 1. `publish` is called with event A, which is queued and sent.
 * 2. `publish` is called with event B of the same aggregate. Its schema asks a database.
 * 3. The stream refuses A. B rejects at once, and is not stored without A.
 */
export class WaitingCall {
  /** By aggregate: why an earlier event failed. */
  readonly #failures = new Map<string, AggregateTransportError>();
  readonly #failed = new Map<string, Rejection>();
  readonly #over = new Rejection();

  constructor(readonly options: WaitingCallOptions) {
    for (const token of options.tokens) this.#failed.set(token, new Rejection());
  }

  /** Rejects when nothing of the call is left to send. Never resolves. */
  get over(): Promise<never> {
    return this.#over.promise;
  }

  /** Why no event of this aggregate may be sent; undefined if they may. */
  failureOf(token: string): AggregateTransportError | undefined {
    return this.#failures.get(token);
  }

  /** Rejects when an earlier event of this aggregate fails. Never resolves. */
  failed(token: string): Promise<never> {
    return this.#failed.get(token)?.promise ?? this.over;
  }

  /** An event of this aggregate failed that was queued before the call was made. */
  fail(token: string, error: AggregateTransportError): void {
    const { tokens, reach } = this.options;
    if (reach === 'none' || this.#failures.has(token) || isSabotaged('publisher-skips-waiting-calls')) return;
    this.#failures.set(token, error);
    this.#failed.get(token)?.reject(error);
    if (this.#failures.size === tokens.size) this.#over.reject(error);
    else if (reach === 'list') this.#over.reject(refusedTogether(error));
  }
}

/** A promise that may reject. It need not be heard. */
class Rejection {
  reject: (error: Error) => void = () => undefined;
  readonly promise = new Promise<never>((_resolve, reject) => {
    this.reject = reject;
  });

  constructor() {
    muteRejection(this.promise);
  }
}
