import { isRepeating, levelOf, type Log } from '../log.js';
import { FieldLogger } from './field-logger.js';

/** Sends the library's log to Nest's logger, which may be the application's own. */
export function nestLog(context: string): Log {
  const sink = new FieldLogger(context);
  return {
    write: (event, fields, text, error) =>
      sink.write({ level: levelOf(event), event, fields, text, repeats: isRepeating(event) }, error),
    flush: () => sink.flush(),
  };
}
