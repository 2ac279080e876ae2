import { parseArgs } from 'node:util';
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

  --server URL    or --servers; default: NATS_URL, else nats://127.0.0.1:4222
  --creds FILE    credentials of the NATS user
  --wait MS       how long to wait for the owner's answer, default 30000; for a change of a group, default 600000
  --json          one JSON value per line instead of tables
  --yes           do not ask before something is dropped, or the group is drained

Exit code: 0 done, 1 not done, 2 not understood or not confirmed.`;

export type Values = ReturnType<typeof parse>['values'];

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
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/**
 * The value of a numeric option, or its default.
 * @throws UsageError
 */
export function numberOf(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`expected --${name} to be a number above 0, found "${text ?? ''}"`);
}
