import { parseArgs } from 'node:util';
import { isPartitionCount } from '../message/partitioning.js';
import { UsageError } from './terminal.js';

export const USAGE = `Usage: aggregate-transport <command> [options]

  status  [--topic T] [--group G]                  each partition: owner, epoch, lag, parked
          [--watch [--interval MS]]                again and again, every 1000 ms (500 to 60000)

  parked list                                      what is parked, and why
  parked show    --topic T --group G AGGREGATE     its letters
  parked retry   --topic T --group G AGGREGATE     handle its letters again, in order
  parked retry   --all [--topic T] [--group G] [--reason R] [--rate N]   (N begun per second, 20)
  parked skip    --topic T --group G AGGREGATE     drop its first letter
  parked discard --topic T --group G AGGREGATE     drop all its letters

  group reset TOPIC GROUP --to start               begin again at the first event of the stream
  group reset TOPIC GROUP --to end                 give up what is not handled yet
  group reset TOPIC GROUP --to sequence:N          handle N first
  group reset TOPIC GROUP --to time:T              handle what was stored at T or later, 2026-01-31T12:00:00Z
          [--partitions N]                         change the number of partitions with it
          [--id ID]                                the same id again is the same reset
          [--dry-run]                              only tell what it means for each partition

  repartition TOPIC GROUP N                        change the group's number of partitions

  repartition|group reset TOPIC GROUP --resume     continue the change that is under way
  repartition|group reset TOPIC GROUP --cancel     call it off; the group stays as it is

  postgres|outbox|inbox …                          with nestjs-aggregate-transport-postgres installed; see
                                                   aggregate-transport postgres --help

  --server URL    or --servers; default: NATS_URL, else nats://127.0.0.1:4222
  --creds FILE    credentials of the NATS user
  --wait MS       how long to wait for the owner's answer, default 30000; for a change of a group, default 600000
  --json          one JSON value per line instead of tables
  --yes           do not ask before something is dropped, or the group is drained

Exit code: 0 done, 1 not done, 2 not understood or not confirmed.`;

export type Values = ReturnType<typeof parse>['values'];

type Flag = keyof Values;

/** What every command understands. */
const COMMON: readonly Flag[] = ['server', 'servers', 'creds', 'json', 'help'];
const CHANGE: readonly Flag[] = ['topic', 'group', 'wait', 'yes', 'resume', 'cancel'];

/** What the commands of an area understand besides, and how many words they have at most. */
const AREAS: ReadonlyMap<string, { readonly flags: readonly Flag[]; readonly words: number }> = new Map([
  ['status', { flags: ['topic', 'group', 'watch', 'interval'], words: 1 }],
  ['parked', { flags: ['topic', 'group', 'reason', 'all', 'rate', 'wait', 'yes'], words: 3 }],
  ['group', { flags: [...CHANGE, 'to', 'partitions', 'id', 'dry-run'], words: 5 }],
  ['repartition', { flags: CHANGE, words: 4 }],
]);

/**
 * Refuses flags and words that would be passed over in silence.
 * @throws UsageError
 */
export function checkUse(area: string, values: Values, words: readonly string[]): void {
  const known = AREAS.get(area);
  if (known === undefined) throw new UsageError(`unknown command "${area}"\n\n${USAGE}`);
  const used = Object.keys(values) as Flag[];
  const other = used.find((flag) => !COMMON.includes(flag) && !known.flags.includes(flag));
  if (other !== undefined) {
    const flags = [...known.flags, ...COMMON].map((flag) => `--${flag}`).join(', ');
    throw new UsageError(`expected an option of "${area}", found --${other}; it has ${flags}`);
  }
  const extra = words[known.words];
  if (extra !== undefined)
    throw new UsageError(`expected at most ${known.words} words, found "${extra}" too; see --help`);
}

/** @throws UsageError */
export function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        topic: { type: 'string' },
        group: { type: 'string' },
        reason: { type: 'string' },
        server: { type: 'string' },
        servers: { type: 'string' },
        interval: { type: 'string' },
        watch: { type: 'boolean' },
        creds: { type: 'string' },
        wait: { type: 'string' },
        rate: { type: 'string' },
        to: { type: 'string' },
        partitions: { type: 'string' },
        id: { type: 'string' },
        'dry-run': { type: 'boolean' },
        all: { type: 'boolean' },
        cancel: { type: 'boolean' },
        resume: { type: 'boolean' },
        json: { type: 'boolean' },
        yes: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw usageErrorOf(error);
  }
}

/** Node's own texts speak of positional arguments. */
function usageErrorOf(error: unknown): UsageError {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  const option = /'((?:-\w, )?-{1,2}[\w-]+)/.exec(message ?? '')?.[1] ?? 'an option';
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION')
    return new UsageError(`expected a known option, found ${option}; see --help`);
  if (code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE') {
    return message?.includes('does not take an argument') === true
      ? new UsageError(`expected ${option} without a value, found one`)
      : new UsageError(
          `expected a value after ${option}, found none (a value that begins with "-": ${option}=VALUE)`,
        );
  }
  return new UsageError(message ?? String(error));
}

/** What a number may be. */
export interface NumberRange {
  readonly otherwise: number;
  readonly least?: number;
  readonly most?: number;
}

/**
 * The value of a numeric option, or its default.
 * @throws UsageError
 */
export function numberOf(
  name: string,
  text: string | undefined,
  { otherwise, least, most }: NumberRange,
): number {
  if (text === undefined) return otherwise;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const range = least === undefined ? 'above 0' : `from ${least} to ${most}`;
  const isInRange = value > 0 && value >= (least ?? 0) && value <= (most ?? Number.MAX_SAFE_INTEGER);
  if (isInRange) return value;
  throw new UsageError(`expected --${name} to be a number ${range}, found "${text}"`);
}

/**
 * A number of partitions; undefined if there is none.
 * @throws UsageError
 */
export function partitionsOf(text: string | undefined): number | undefined {
  if (text === undefined || isPartitionCount(Number(text)))
    return text === undefined ? undefined : Number(text);
  throw new UsageError(`expected a power of two from 1 to 256 partitions, found "${text}"`);
}
