import type { FieldName } from './fields.js';

/** What the fields of every line of an event name beside its own. */
export type LogPlace = 'process' | 'connection' | 'topic' | 'group' | 'partition';

/** What is known of an event before it happens. docs/logs.md is made of it. */
export interface LogEventDefinition {
  /** `debug` for what a healthy service does all the time. */
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly place: LogPlace;
  /** What every line has, beside its place. */
  readonly fields: readonly FieldName[];
  /** What some lines have. */
  readonly sometimes?: readonly FieldName[];
  /** It is about an error: the line has `why`, `errorName`, and `errorCode` if the error has a code. */
  readonly fails?: true;
  /** Many aggregates or events can have a line at once: of those only so many are said in a time. */
  readonly limited?: true;
  /** Each of many calls, errors or events of a process can have a line: of those only so many are said in a time. */
  readonly repeats?: true;
  readonly means: string;
  readonly do: string;
}
