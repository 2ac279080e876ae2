import type { Clock } from '../clock.js';
import { describeError, errorFields } from '../errors.js';
import type { LogAt } from '../log.js';
import type { Question } from './answers.js';
import type { AskPort, Ending } from './ask-port.js';
import { readQuestion } from './read-question.js';

/** Makes the answers of one process for one group. */
export interface Answering {
  /** The answer as JSON of at most `maxBytes`. */
  readonly answer: (question: Question, maxBytes: number) => Promise<string>;
}

export interface ResponderOptions {
  /** For log texts: topic and group. */
  readonly name: string;
  readonly port: AskPort;
  readonly answering: Answering;
  readonly clock: Clock;
  readonly log: LogAt<'group'>;
}

/** Answers in a second, at most. Further questions are ignored: an asker takes no answer for unknown. */
const MAX_PER_SECOND = 50;
const SECOND_MS = 1_000;

/**
 * Answers what the running processes of a group are asked. A tool of an operator asks; no event depends on it. So what
 * is no question is ignored. A failure is logged once, and leaves its question without an answer. A user without the
 * permission is just not asked. Its modes:
 *
 * - `idle`: hears nothing. Left by {@link start}.
 * - `hearing`: answers, at most 50 questions a second.
 * - `refused`: the server does not let it hear or answer. The connection has logged that, as a warning.
 * - `closed`: by {@link close}.
 */
export class Responder {
  #mode: Mode = 'idle';
  #heard: Ending | undefined;
  #secondEndsAt = Number.NEGATIVE_INFINITY;
  #leftInSecond = 0;
  #hasFailed = false;

  constructor(private readonly options: ResponderOptions) {}

  get mode(): Mode {
    return this.#mode;
  }

  start(): void {
    this.#enter('hearing');
    const heard = this.options.port.hear({
      asked: (body, reply) => {
        if (reply !== undefined) this.#asked(body, reply);
      },
      refused: () => this.#refused(),
    });
    if (this.#mode === 'hearing') this.#heard = heard;
    else heard.end();
  }

  /** Hears nothing from now on. Answers under way are not sent. Safe to call twice. */
  close(): void {
    this.#enter('closed');
    this.#heard?.end();
  }

  #asked(body: Uint8Array, reply: (answer: string) => void): void {
    if (this.#mode !== 'hearing') return;
    const question = readQuestion(body);
    if (question === undefined || !this.#mayAnswer()) return;
    void this.#answer(question, reply);
  }

  async #answer(question: Question, reply: (answer: string) => void): Promise<void> {
    const { answering, port } = this.options;
    try {
      const maxBytes = port.maxBytes();
      const answer = await answering.answer(question, maxBytes);
      const mayStill = this.#mode === 'hearing' && Buffer.byteLength(answer) <= maxBytes;
      if (mayStill) reply(answer);
    } catch (error) {
      this.#failed(error);
    }
  }

  #mayAnswer(): boolean {
    const now = this.options.clock.now();
    if (now >= this.#secondEndsAt) {
      this.#secondEndsAt = now + SECOND_MS;
      this.#leftInSecond = MAX_PER_SECOND;
    }
    return this.#leftInSecond-- > 0;
  }

  #failed(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const { log, name } = this.options;
    log.write(
      'question-not-answered',
      errorFields(error),
      `${name}: a question of an operator could not be answered: ${describeError(error)} (said once); ` +
        'report it with this stack',
      error,
    );
  }

  #refused(): void {
    if (this.#mode !== 'hearing') return;
    this.#enter('refused');
    this.#heard?.end();
  }

  #enter(mode: Mode): void {
    if (!MAY_COME_FROM[mode].includes(this.#mode)) {
      throw new Error(`${this.options.name}: a responder cannot go from ${this.#mode} to ${mode}`);
    }
    this.#mode = mode;
  }
}

type Mode = 'idle' | 'hearing' | 'refused' | 'closed';

const MAY_COME_FROM: Readonly<Record<Mode, readonly Mode[]>> = {
  idle: [],
  hearing: ['idle'],
  refused: ['hearing'],
  closed: ['idle', 'hearing', 'refused', 'closed'],
};
