import { UsageError } from '../command/terminal.js';

/** Where parked aggregates are meant; without an aggregate, all of the group. */
export interface ParkedPlace {
  readonly topic: string;
  readonly group: string;
  readonly aggregateId: string | undefined;
}

/**
 * Reads `TOPIC/GROUP`, `TOPIC/GROUP/AGGREGATE`, or an aggregate with --topic and --group. An aggregate's id may hold
 * slashes.
 * @throws UsageError
 */
export function placeOf(
  word: string | undefined,
  { topic, group }: { readonly topic?: string; readonly group?: string },
): ParkedPlace {
  if (topic !== undefined && group !== undefined) return { topic, group, aggregateId: word };
  const [of, by, ...id] = (word ?? '').split('/');
  if (
    of === undefined ||
    of === '' ||
    by === undefined ||
    by === '' ||
    topic !== undefined ||
    group !== undefined
  )
    throw new UsageError('expected TOPIC/GROUP/AGGREGATE, or --topic, --group and an aggregate id');
  return { topic: of, group: by, aggregateId: id.length === 0 ? undefined : id.join('/') };
}
