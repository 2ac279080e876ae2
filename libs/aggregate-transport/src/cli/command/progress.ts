import { type Clock, delay } from '../../clock.js';
import { describeError, hasCode } from '../../errors.js';
import type { Terminal } from './terminal.js';

export interface ProgressOptions {
  readonly topic: string;
  readonly group: string;
  readonly json: boolean;
  readonly terminal: Pick<Terminal, 'print'>;
  readonly clock: Clock;
  /** How long the command waits for its end, in milliseconds. */
  readonly waitMs: number;
}

/** How often a command asks the server again. */
const POLL_EVERY_MS = 200;
const REPORT_EVERY_MS = 1_000;
/** While a server reads its configuration again, no account has JetStream. One that has none stays so. */
const WITHOUT_JETSTREAM_MS = 10_000;

/** What a command about one group tells while it waits: a line of text or one JSON value a line. */
export class Progress {
  #reported = '';
  #reportAt = 0;
  readonly #until: number;

  constructor(private readonly options: ProgressOptions) {
    this.#until = options.clock.now() + options.waitMs;
  }

  get isOver(): boolean {
    return this.options.clock.now() > this.#until;
  }

  /** Prints an outcome. */
  say(value: object, text: string): void {
    const { topic, group, json, terminal } = this.options;
    terminal.print(json ? JSON.stringify({ topic, group, ...value }) : `${topic} ${group}: ${text}`);
  }

  /** Prints what has changed, at most once a second. */
  report(value: object, text: string): void {
    const now = this.options.clock.now();
    if (text === this.#reported || now < this.#reportAt) return;
    this.#reported = text;
    this.#reportAt = now + REPORT_EVERY_MS;
    this.say(value, text);
  }

  pause(): Promise<void> {
    return delay(this.options.clock, POLL_EVERY_MS);
  }

  /** Takes a step, and takes it again while the server, or its JetStream, does not answer and time is left. */
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
        this.report({ state: 'trying', error: text }, `trying again: ${text}`);
        await this.pause();
      }
    }
  }
}
