import type { LoggerService } from '@nestjs/common';
import type { Log } from '../log.js';

/** Sends the library's log to Nest's logger. */
export function nestLog(logger: LoggerService): Log {
  return {
    info: (text) => void logger.log(text),
    warn: (text) => void logger.warn(text),
    error: (text, error) => void logger.error(text, error instanceof Error ? error.stack : undefined),
  };
}
