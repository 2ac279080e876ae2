import type { LogEventDefinition } from '#library/log-events/definition.js';
import type { FieldName, LogFields } from '#library/log-events/fields.js';
import { LOG_EVENTS } from '#library/log-events/log-events.js';
import { levelOf, type Log, type LogEventName } from '#library/log.js';

export interface SaidLine {
  readonly event: LogEventName;
  readonly fields: LogFields;
}

const PLACES: readonly FieldName[] = ['connection', 'topic', 'group', 'partition'];
const OF_ERRORS: readonly FieldName[] = ['why', 'errorName'];

/** What is wrong with the fields of a line, as its event defines them; undefined if nothing is. */
function wrongFields(event: LogEventName, fields: LogFields): string | undefined {
  const definition: LogEventDefinition = LOG_EVENTS[event];
  const fails = definition.fails === true;
  const always: readonly FieldName[] = [...definition.fields, ...(fails ? OF_ERRORS : [])];
  const allowed = new Set<string>([
    ...[...always, ...(definition.sometimes ?? []), ...PLACES],
    ...(fails ? ['errorCode'] : []),
  ]);
  const given = Object.keys(fields).filter((name) => fields[name as FieldName] !== undefined);
  const missing = always.filter((name) => !given.includes(name));
  const unknown = given.filter((name) => !allowed.has(name));
  if (missing.length + unknown.length === 0) return undefined;
  return `${event}: missing ${missing.join(', ') || 'none'}; not declared: ${unknown.join(', ') || 'none'}`;
}

/** Keeps what was logged, as `level text`, and by event. Refuses lines whose fields are not as their event says. */
export function recordedLog(): Log & { readonly lines: string[]; readonly said: SaidLine[] } {
  const lines: string[] = [];
  const said: SaidLine[] = [];
  return {
    ...{ lines, said },
    write: (event, fields, text) => {
      lines.push(`${levelOf(event)} ${text}`);
      said.push({ event, fields });
      const wrong = wrongFields(event, fields);
      if (wrong !== undefined) throw new Error(`expected the fields of the event, found ${wrong}`);
    },
  };
}
