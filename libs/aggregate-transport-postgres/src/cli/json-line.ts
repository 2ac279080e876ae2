/** Of the shapes of all lines, those of the core package included. */
const JSON_VERSION = 1;

/** What a line tells of; the core package's schemas/cli.schema.json has the shape of each. */
export type JsonKind =
  | 'inbox-reset'
  | 'outbox-command'
  | 'outbox-relay'
  | 'outbox-retry-all'
  | 'outbox-stopped'
  | 'postgres-migration'
  | 'postgres-sql';

/** One line of `--json`, in the form of the core package. */
export function jsonLine(kind: JsonKind, value: object): string {
  return JSON.stringify({ v: JSON_VERSION, kind, ...value });
}
