import type { LoggerService } from '@nestjs/common';
import { describeError, stackOf } from '../errors.js';

/** A line of a log: what happened, by name, in fields for programs and in a text for people. */
export interface LoggedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** The name of the event. */
  readonly event: string;
  readonly fields: object;
  readonly text: string;
  /** Adds its stack where the logger wants one. */
  readonly error?: unknown;
}

/**
 * Gives lines with fields to Nest's logger. For this library and those built on it. A logger that throws costs a line,
 * and nothing else.
 */
export class FieldLogger {
  #hasWarned = false;

  constructor(private readonly logger: LoggerService) {}

  /** Never throws. */
  write({ level, text, error }: LoggedLine): void {
    const { logger } = this;
    try {
      switch (level) {
        case 'debug':
          logger.debug?.(text);
          break;
        case 'info':
          logger.log(text);
          break;
        case 'warn':
          logger.warn(text);
          break;
        case 'error':
          logger.error(text, stackOf(error));
          break;
      }
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
