import { type Clock, delay } from '../../clock.js';
import { AggregateTransportError, describeError, hasCode } from '../../errors.js';

/** Hears how an operation goes. `what` for a program, `text` for a reader. */
export type ProgressListener = (what: OperationStep, text: string) => void;

/** Where an operation stands. Its other fields depend on the state. */
export interface OperationStep {
  /** One of the words that docs/json.md lists for the command. */
  readonly state: string;
}

export interface PatienceOptions {
  readonly clock: Clock;
  /** How long the operation may take, in milliseconds. */
  readonly waitMs: number;
  readonly heard?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How often an operation asks the server again. */
const POLL_EVERY_MS = 200;
const REPORT_EVERY_MS = 1_000;
/** While a server reads its configuration again, no account has JetStream. One that has none stays so. */
const WITHOUT_JETSTREAM_MS = 10_000;

/** How long an operation on a group waits, and who hears of it. */
export class Patience {
  #reported = '';
  #reportAt = Number.NEGATIVE_INFINITY;
  readonly #until: number;

  constructor(private readonly options: PatienceOptions) {
    this.#until = options.clock.now() + options.waitMs;
  }

  get isOver(): boolean {
    return this.options.clock.now() > this.#until;
  }

  /** Tells what has changed, at most once a second. */
  report(what: OperationStep, text: string): void {
    const now = this.options.clock.now();
    if (text === this.#reported || now < this.#reportAt) return;
    this.#reported = text;
    this.#reportAt = now + REPORT_EVERY_MS;
    this.options.heard?.(what, text);
  }

  /** @throws ABORTED */
  async pause(): Promise<void> {
    this.#check();
    await delay(this.options.clock, POLL_EVERY_MS);
    this.#check();
  }

  /**
   * Takes a step, and takes it again while the server, or its JetStream, does not answer and time is left.
   * @throws ABORTED, and what the step rejects with
   */
  async retried<T>(step: () => Promise<T>): Promise<T> {
    const { clock } = this.options;
    const giveUpAt = clock.now() + WITHOUT_JETSTREAM_MS;
    for (;;) {
      try {
        return await step();
      } catch (error) {
        const mayPass = hasCode(error, 'JETSTREAM_UNAVAILABLE')
          ? clock.now() < giveUpAt
          : hasCode(error, 'JETSTREAM_REQUEST_FAILED');
        if (!mayPass || this.isOver) throw error;
        const text = describeError(error);
        this.report({ state: 'trying', ...{ error: text } }, `trying again: ${text}`);
        await this.pause();
      }
    }
  }

  #check(): void {
    if (this.options.signal?.aborted !== true) return;
    throw new AggregateTransportError(
      'ABORTED',
      'expected the operation to end, found that its signal was aborted; what has begun is continued by the replicas, ' +
        'or by the same call again',
      { cause: this.options.signal.reason },
    );
  }
}
