import type { LoggerService } from '@nestjs/common';
import { describeError, stackOf } from '../errors.js';
import type { Log } from '../log.js';

/** Also has what only who looks for it wants to read. */
export interface DetailedLog extends Log {
  debug(text: string): void;
}

/**
 * Sends the library's log to Nest's logger, which may be the application's own. A logger that throws costs a line, and
 * nothing else.
 */
class NestLog implements DetailedLog {
  #hasWarned = false;

  constructor(private readonly logger: LoggerService) {}

  debug(text: string): void {
    try {
      this.logger.debug?.(text);
    } catch (error) {
      this.#failed(error);
    }
  }

  info(text: string): void {
    try {
      this.logger.log(text);
    } catch (error) {
      this.#failed(error);
    }
  }

  warn(text: string): void {
    try {
      this.logger.warn(text);
    } catch (error) {
      this.#failed(error);
    }
  }

  error(text: string, error?: unknown): void {
    try {
      this.logger.error(text, stackOf(error));
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

export function nestLog(logger: LoggerService): DetailedLog {
  return new NestLog(logger);
}
