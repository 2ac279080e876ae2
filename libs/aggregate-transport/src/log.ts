import type { ErrorFields } from './errors.js';
import type { LogEventDefinition, LogPlace } from './log-events/definition.js';
import type { FieldName, LogFields, PlaceFields } from './log-events/fields.js';
import { LOG_EVENTS } from './log-events/log-events.js';

type Events = typeof LOG_EVENTS;

/** Names a kind of line: one meaning, one level, the same fields each time. Stable over releases. */
export type LogEventName = keyof Events;

export type LogLevel = LogEventDefinition['level'];

/** What the lines of an event always have beside their place, and what some of them have. */
type FieldsOf<Event extends LogEventDefinition> = Pick<LogFields, never> &
  Required<Pick<LogFields, Event['fields'][number]>> &
  Partial<
    Pick<
      LogFields,
      Event extends { readonly sometimes: readonly FieldName[] } ? Event['sometimes'][number] : never
    >
  > &
  (Event extends { readonly fails: true } ? ErrorFields : unknown);

/** The arguments of {@link Log.write} for the events of a place. */
export type LogLine<Place extends LogPlace = LogPlace> = {
  [Name in LogEventName]: Events[Name]['place'] extends Place
    ? [event: Name, fields: FieldsOf<Events[Name]>, text: string, error?: unknown]
    : never;
}[LogEventName];

/**
 * Where the library says what happened. Each event is logged once, where it is decided. Texts and fields name keys,
 * types, sequences and attempts; never payloads or credentials.
 */
export interface Log {
  /** The event's level is part of its definition. `error` adds a stack where the sink wants one. */
  readonly write: (event: LogEventName, fields: LogFields, text: string, error?: unknown) => void;
  /** Sums up what was counted and not said. Called by who owns the log, when it ends. */
  readonly flush?: () => void;
}

/** A log whose lines all name one place; it takes no events of other places. */
export interface LogAt<Place extends LogPlace> {
  readonly write: (...line: LogLine<Place>) => void;
}

export const silentLog: Log = { write: () => undefined };

/** Adds to every line where it was said. */
export function logAt<Place extends keyof PlaceFields>(log: Log, place: PlaceFields[Place]): LogAt<Place> {
  return {
    write: (event: LogEventName, fields: LogFields, text: string, error?: unknown) =>
      log.write(event, { ...place, ...fields }, text, error),
  };
}

/** True if many aggregates or events can have a line of this event at once. */
export function isLimited(event: LogEventName): boolean {
  const definition: LogEventDefinition = LOG_EVENTS[event];
  return definition.limited === true;
}

/** True if each of many calls, errors or events can have a line of this event. */
export function isRepeating(event: LogEventName): boolean {
  const definition: LogEventDefinition = LOG_EVENTS[event];
  return definition.repeats === true;
}

export function levelOf(event: LogEventName): LogLevel {
  return LOG_EVENTS[event].level;
}
