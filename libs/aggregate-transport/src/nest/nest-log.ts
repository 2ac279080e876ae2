import type { LoggerService } from '@nestjs/common';
import { levelOf, type Log } from '../log.js';
import { FieldLogger } from './field-logger.js';

/** Sends the library's log to Nest's logger, which may be the application's own. */
export function nestLog(logger: LoggerService): Log {
  const sink = new FieldLogger(logger);
  return {
    write: (event, fields, text, error) => sink.write({ level: levelOf(event), event, fields, text, error }),
  };
}
