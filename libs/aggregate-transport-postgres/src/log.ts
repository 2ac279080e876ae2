import { LOG_EVENTS, type LogEventDefinition, type LogFields } from './log-events.js';

type Events = typeof LOG_EVENTS;

/** Names a kind of line: one meaning, one level, the same fields each time. Stable over releases. */
export type LogEventName = keyof Events;

/** What fields say of an error. */
interface ErrorFields {
  readonly why: string;
  readonly errorName: string;
  readonly errorCode?: string | number;
}

type FieldsOf<Event extends LogEventDefinition> = Required<Pick<LogFields, Event['fields'][number]>> &
  (Event extends { readonly fails: true } ? ErrorFields : unknown);

/** The arguments of {@link Log.write}. */
export type LogLine = {
  [Name in LogEventName]: [event: Name, fields: FieldsOf<Events[Name]>, text: string];
}[LogEventName];

/**
 * Where the relay says what happened. Texts and fields name aggregates, ids and codes; never payloads or credentials.
 */
export interface Log {
  readonly write: (...line: LogLine) => void;
  /** Sums up what was counted and not said. Called by who owns the log, when it ends. */
  readonly flush?: () => void;
}

/** True if each of many aggregates can have a line of this event. */
export function isRepeating(event: LogEventName): boolean {
  const definition: LogEventDefinition = LOG_EVENTS[event];
  return definition.repeats === true;
}

export function levelOf(event: LogEventName): LogEventDefinition['level'] {
  return LOG_EVENTS[event].level;
}

const MAX_NAME_LENGTH = 100;

/** Describes something that was thrown, for the fields of a line. */
export function errorFields(error: unknown): ErrorFields {
  if (!(error instanceof Error)) return { why: String(error), errorName: typeof error };
  const { name, message: why, code } = error as Error & { readonly code?: unknown };
  const errorName = name.slice(0, MAX_NAME_LENGTH);
  if (typeof code === 'number') return { why, errorName, errorCode: code };
  return typeof code === 'string'
    ? { why, errorName, errorCode: code.slice(0, MAX_NAME_LENGTH) }
    : { why, errorName };
}
