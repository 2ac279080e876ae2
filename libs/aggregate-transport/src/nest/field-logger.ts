import { Logger, type LoggerService } from '@nestjs/common';
import { describeError, stackOf } from '../errors.js';
import { writeLine } from './log-forms.js';

/** A line of a log: what happened, by name, in fields for programs and in a text for people. */
export interface LoggedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** The name of the event. */
  readonly event: string;
  /** No payload, no credentials. */
  readonly fields: object;
  readonly text: string;
  /** Its stack is logged, and nothing else of it. */
  readonly stack?: string | undefined;
}

/**
 * A logger of your own that wants the fields of this library's lines has this method beside those of Nest's
 * `LoggerService`. Without it such a logger gets texts, as from Nest itself.
 */
export interface LineLogger {
  /** `context` is the part of the library that says it, such as `AggregateTransport`. */
  writeLine(line: LoggedLine, context: string): void;
}

const METHODS = { debug: 'debug', info: 'log', warn: 'warn', error: 'error' } as const;

/**
 * Nest's `Logger` in front of the application's own one. Nest keeps what is said before that is known
 * (`bufferLogs: true`), so the form of a line is chosen when Nest hands it on, and not before.
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

/**
 * Gives lines with fields to the logger of a Nest application, for this library and those built on it. A logger that
 * throws costs a line, and nothing else.
 */
export class FieldLogger {
  readonly #logger: Logger;
  #hasWarned = false;

  constructor(context: string) {
    this.#logger = new LateLogger(context);
  }

  /** Never throws. */
  write(line: Omit<LoggedLine, 'stack'>, error?: unknown): void {
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
