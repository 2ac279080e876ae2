import { Logger, type LoggerService } from '@nestjs/common';
import { describeError, stackOf } from '../errors.js';
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
