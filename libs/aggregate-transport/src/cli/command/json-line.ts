/** Of the shapes of all lines. It grows when a field of an earlier release is gone, or means something else. */
const JSON_VERSION = 1;

/** What a line tells of; schemas/cli.schema.json has the shape of each, and docs/json.md explains them. */
export type JsonKind =
  | 'aggregate-command'
  | 'aggregate-replay'
  | 'asyncapi'
  | 'error'
  | 'event'
  | 'export'
  | 'finding'
  | 'group'
  | 'group-change'
  | 'group-details'
  | 'group-lag'
  | 'import'
  | 'letter'
  | 'letter-edit'
  | 'live-group'
  | 'parked'
  | 'partition'
  | 'place'
  | 'purge'
  | 'topic-copy'
  | 'topic-edit'
  | 'verdict'
  | 'verify-removal';

/**
 * One line of `--json`. A script reads `v` first, then `kind`. It passes over kinds and fields that it does not know: a
 * later release of the same version may add some.
 */
export function jsonLine(kind: JsonKind, value: object): string {
  return JSON.stringify({ v: JSON_VERSION, kind, ...value });
}
