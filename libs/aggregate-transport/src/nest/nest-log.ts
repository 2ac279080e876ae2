import type { LoggerService } from '@nestjs/common';
import type { Log } from '../log.js';

/**
 * Sends the library's log to Nest's logger, which may be the application's own. A logger that throws costs its line and
 * nothing else; the line goes to stderr then.
 */
export function nestLog(logger: LoggerService): Log {
  return {
    info: (text) => guarded(text, () => void logger.log(text)),
    warn: (text) => guarded(text, () => void logger.warn(text)),
    error: (text, error) =>
      guarded(text, () => void logger.error(text, error instanceof Error ? error.stack : undefined)),
  };
}

function guarded(text: string, write: () => void): void {
  try {
    write();
  } catch {
    console.error(text);
  }
}
