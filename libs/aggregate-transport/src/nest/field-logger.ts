import { Logger, type LoggerService } from '@nestjs/common';
import { type Clock, systemClock, type Timer } from '../clock.js';
import { describeError, stackOf } from '../errors.js';
import { LineRoom, SUMMARY_EVERY_MS } from '../line-room.js';
import { type LoggedLine, writeLine } from './log-forms.js';

const METHODS = { debug: 'debug', info: 'log', warn: 'warn', error: 'error' } as const;

/**
 * Nest's `Logger` in front of the application's own one. With `bufferLogs: true` Nest keeps lines until that one is
 * known. So the form of a line is chosen when Nest hands it on.
 */
class LateLogger extends Logger {
  constructor(private readonly of: string) {
    super(of);
  }

  override get localInstance(): LoggerService {
    const sink = super.localInstance as LoggerService | undefined;
    const write = (line: unknown): void => {
      // Undefined where the application has switched its log off.
      if (sink !== undefined) writeLine(sink, line as LoggedLine, this.of);
    };
    return { debug: write, log: write, warn: write, error: write };
  }
}

/** What is said of a line, and whether each of many calls can have one. */
export interface FieldLine extends Omit<LoggedLine, 'stack'> {
  /** Only 100 of these lines are said in 10 s. The rest is counted, and summed up in one line. */
  readonly repeats?: boolean | undefined;
}

/**
 * Gives lines with fields to the logger of a Nest application, for this library and those built on it. A logger that
 * throws costs a line, and nothing else.
 */
export class FieldLogger {
  readonly #logger: Logger;
  readonly #room: LineRoom;
  #summary: Timer | undefined;
  #hasWarned = false;

  constructor(
    private readonly context: string,
    private readonly clock: Clock = systemClock,
  ) {
    this.#logger = new LateLogger(context);
    this.#room = new LineRoom(clock);
  }

  /** Never throws. */
  write({ repeats, ...line }: FieldLine, error?: unknown): void {
    if (repeats === true && !this.#room.take()) {
      this.#room.leaveOut(line.event);
      this.#summary ??= this.clock.after(SUMMARY_EVERY_MS, () => this.flush());
      return;
    }
    this.#say(line, error);
  }

  /** Sums up now what had no room, if anything had none. Called when the application ends, so that it is not lost. */
  flush(): void {
    this.#summary?.cancel();
    this.#summary = undefined;
    const leftOut = this.#room.takeLeftOut();
    if (leftOut === undefined) return;
    const { count, events } = leftOut;
    const text =
      `${this.context}: ${count} further line(s) that repeat had no room within ${SUMMARY_EVERY_MS / 1_000} s: ` +
      events;
    this.#say({ level: 'warn', event: 'repeats-left-out', fields: { count, events }, text });
  }

  #say(line: Omit<LoggedLine, 'stack'>, error?: unknown): void {
    try {
      // Where `Logger` itself is replaced by a mock, the line reads as its text.
      const toString = (): string => line.text;
      this.#logger[METHODS[line.level]]({ ...line, stack: stackOf(error), toString });
    } catch (failure) {
      this.#failed(failure);
    }
  }

  /** Node prints it, or hands it to the application: the logger itself cannot be told. */
  #failed(error: unknown): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    process.emitWarning(
      `expected a logger that does not throw, found ${describeError(error)}; lines of the log are lost (said once)`,
      { type: 'AggregateTransportWarning' },
    );
  }
}
