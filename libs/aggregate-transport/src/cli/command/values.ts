import { AggregateTransportError } from '../../errors.js';
import { isPartitionCount } from '../../message/partitioning.js';
import { UsageError } from './terminal.js';

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

/**
 * What is read from the command line by a part of the library that throws errors of its own.
 * @throws UsageError with the text of OPTIONS_INVALID, or of an id that is none
 */
export function understood<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof AggregateTransportError) throw new UsageError(error.message);
    throw error;
  }
}

/**
 * A topic and a group, each as a word or as an option.
 * @throws UsageError if one is missing
 */
export function namesOf(
  [topicWord, groupWord]: readonly string[],
  flags: { readonly topic?: string; readonly group?: string },
): { readonly topic: string; readonly group: string } {
  const topic = topicWord ?? flags.topic;
  const group = groupWord ?? flags.group;
  if (topic !== undefined && group !== undefined) return { topic, group };
  throw new UsageError('expected a topic and a group');
}
