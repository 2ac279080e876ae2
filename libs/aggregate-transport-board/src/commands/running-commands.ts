import type { Clock } from '../clock.js';
import { AggregateBoardError } from '../errors.js';
import { describeFailure } from '../failure.js';
import type { Log } from '../log.js';
import type { BoardSource, CommandEnd, ProgressText } from '../source/board-source.js';
import { type BoardCommand, wordsOf } from './board-command.js';

/** A command as every page shows it. */
export interface CommandNow {
  readonly id: number;
  readonly command: BoardCommand;
  readonly words: string;
  readonly startedAt: number;
  readonly state: 'running' | 'done' | 'failed';
  /** What it waits for, or how it ended. */
  readonly text: string;
}

export interface RunningCommandsOptions {
  readonly source: BoardSource;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears of every step. */
  readonly changed: (commands: readonly CommandNow[], isEnd: boolean) => void;
}

/** Commands that run at once, at most: each waits for an owner. */
export const MAX_RUNNING = 16;
/** Commands that have ended stay visible: so many, and so long. */
const MAX_ENDED = 20;
const SHOWN_FOR_MS = 600_000;

/** Runs commands and remembers how they ended, so that every page sees it, also one that was opened later. */
export class RunningCommands {
  readonly #commands = new Map<number, CommandNow>();
  #last = 0;

  constructor(private readonly options: RunningCommandsOptions) {}

  list(): readonly CommandNow[] {
    const oldest = this.options.clock.wallNow() - SHOWN_FOR_MS;
    for (const { id, state, startedAt } of this.#commands.values())
      if (state !== 'running' && startedAt < oldest) this.#commands.delete(id);
    return [...this.#commands.values()];
  }

  /**
   * Starts a command and answers with its id; the same command while it runs is the same one.
   * @throws BOARD_BUSY
   */
  start(command: BoardCommand): number {
    const words = wordsOf(command);
    const running = this.list().filter(({ state }) => state === 'running');
    const same = running.find((one) => one.words === words);
    if (same !== undefined) return same.id;
    if (running.length >= MAX_RUNNING) {
      throw new AggregateBoardError(
        'BOARD_BUSY',
        `expected at most ${MAX_RUNNING} commands at once, found one more; wait until one has ended`,
      );
    }
    const id = ++this.#last;
    const startedAt = this.options.clock.wallNow();
    this.#set({ id, command, words, startedAt, state: 'running', text: 'asked for' });
    this.options.log.info(`an operator asked on the board: ${words}`);
    void this.#run(id, command);
    return id;
  }

  async #run(id: number, command: BoardCommand): Promise<void> {
    const progress: ProgressText = (text) => this.#change(id, { text });
    try {
      // A source that throws at once ends the command, too.
      const { isDone, text } = await Promise.resolve().then(() =>
        carryOut(this.options.source, command, progress),
      );
      this.#end(id, { state: isDone ? 'done' : 'failed', text });
    } catch (error) {
      this.#end(id, { state: 'failed', text: describeFailure(error).text });
    }
  }

  #end(id: number, end: Pick<CommandNow, 'state' | 'text'>): void {
    const words = this.#commands.get(id)?.words ?? '';
    if (end.state === 'done') this.options.log.info(`done: ${words}: ${end.text}`);
    else this.options.log.warn(`not done: ${words}: ${end.text}`);
    this.#change(id, end);
  }

  #change(id: number, change: Partial<Pick<CommandNow, 'state' | 'text'>>): void {
    const found = this.#commands.get(id);
    if (found !== undefined) this.#set({ ...found, ...change });
  }

  #set(command: CommandNow): void {
    this.#commands.set(command.id, command);
    const ended = [...this.#commands.values()].filter(({ state }) => state !== 'running');
    for (const { id } of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) this.#commands.delete(id);
    this.options.changed(this.list(), command.state !== 'running');
  }
}

function carryOut(source: BoardSource, command: BoardCommand, progress: ProgressText): Promise<CommandEnd> {
  switch (command.kind) {
    case 'retry':
      return source.retry(command);
    case 'skip':
      return source.skip(command);
    case 'discard':
      return source.discard(command);
    case 'retryAll':
      return source.retryAll(command, progress);
    case 'repartition':
      return source.repartition(command, command.to, progress);
    case 'rewind':
      return source.rewind(command, command.to, progress);
    case 'cancel':
      return source.cancel(command);
  }
}
