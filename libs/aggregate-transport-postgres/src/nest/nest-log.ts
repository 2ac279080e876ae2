import { FieldLogger } from 'nestjs-aggregate-transport';
import { isRepeating, levelOf, type Log } from '../log.js';

/** Sends this library's log to Nest's logger, as the transport does. */
export function nestLog(context: string): Log {
  const logger = new FieldLogger(context);
  return {
    write: (event, fields, text) =>
      logger.write({ level: levelOf(event), event, fields, text, repeats: isRepeating(event) }),
    flush: () => logger.flush(),
  };
}
