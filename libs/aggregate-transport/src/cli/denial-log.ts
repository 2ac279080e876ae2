import type { Log, LogEventName } from '../log.js';

const DENIALS: ReadonlySet<LogEventName> = new Set(['permission-denied', 'optional-permission-denied']);

/**
 * Says what the server refuses a command, once for each subject. A request may only find that no answer came; the
 * server tells the connection which subject it was.
 */
export function denialLog(say: (text: string) => void): Log {
  return {
    write: (event, _fields, text) => {
      if (DENIALS.has(event)) say(text);
    },
  };
}
