import { delay } from '../clock.js';
import { describeError } from '../errors.js';
import type { Log } from '../log.js';
import type { ConsumerState } from '../message/ports.js';
import type { OrderedAcks } from '../settlement/ordered-acks.js';
import type { Ledger } from './ledger.js';
import { takeOver, type TakeoverOptions } from './takeover.js';

export interface TakeoverRunnerOptions extends Pick<TakeoverOptions, 'port' | 'clock'> {
  readonly name: string;
  readonly ledger: Pick<Ledger, 'unhandled'>;
  readonly acks: Pick<OrderedAcks, 'unconfirmed'>;
  readonly log: Log;
  /** Runs before each attempt; what it throws fails the attempt. */
  readonly prepare: () => Promise<void>;
  /** Runs after the last look at the server; what it throws fails the attempt. */
  readonly complete: () => Promise<void>;
  readonly done: (state: ConsumerState) => void;
  /** An attempt has failed, this long after the first one began. */
  readonly failed: (sinceMs: number) => void;
}

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;

/**
 * Runs one takeover at a time, again and again until one succeeds. A new one replaces the one under way,
 * whose picture of the server is out of date. While disconnected it waits: the reconnect begins a new one.
 */
export class TakeoverRunner {
  #current: AbortController | undefined;
  #count = 0;
  #lastMs = 0;
  /** Where the acks since the last takeover went. */
  #serverId: string | undefined;

  constructor(private readonly options: TakeoverRunnerOptions) {}

  get count(): number {
    return this.#count;
  }

  /** How long the last successful takeover took, in milliseconds. */
  get lastMs(): number {
    return this.#lastMs;
  }

  begin(reason: string, thorough: boolean): void {
    this.cancel();
    this.#current = new AbortController();
    void this.#tryUntilDone(reason, thorough, this.#current.signal);
  }

  cancel(): void {
    this.#current?.abort();
    this.#current = undefined;
  }

  /** Only a server's process that is still the same one remembers all it has confirmed. */
  #isAnotherServer(): boolean {
    return this.#serverId === undefined || this.#serverId !== this.options.port.serverId;
  }

  async #tryUntilDone(reason: string, thorough: boolean, signal: AbortSignal): Promise<void> {
    const { name, port, ledger, acks, clock, log, prepare, complete, done, failed } = this.options;
    const startedAt = clock.now();
    for (let attempt = 1; port.connected && !signal.aborted; attempt++) {
      try {
        await prepare();
        const mayHaveForgotten = thorough || attempt > 1 || this.#isAnotherServer();
        const state = await takeOver({
          port,
          clock,
          unsettled: (first, last, callback) => {
            ledger.unhandled(first, last, callback);
            acks.unconfirmed(first, last, callback);
          },
          thorough: mayHaveForgotten,
          signal,
        });
        await complete();
        if (this.#current?.signal !== signal) return;
        this.#current = undefined;
        this.#serverId = port.serverId;
        this.#count++;
        this.#lastMs = clock.now() - startedAt;
        log.info(
          `${name}: taken over (${reason}) in ${Math.round(this.#lastMs)} ms, ` +
            `${state.ackPending} unsettled events come again`,
        );
        done(state);
        return;
      } catch (error) {
        if (this.#current?.signal !== signal) return;
        log.warn(
          `${name}: takeover (${reason}) failed in attempt ${attempt}, trying again: ${describeError(error)}`,
        );
        failed(clock.now() - startedAt);
        await delay(clock, Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt, 10)));
      }
    }
  }
}
