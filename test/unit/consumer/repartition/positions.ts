import { partitionOf } from '#library/message/partitioning.js';
import { decodeSequences, type PositionRecord } from '#library/records/position-record.js';

export const CREATED = 'then';

export function positionOf(fields: Partial<PositionRecord> = {}): PositionRecord {
  return {
    ...{ v: 1, epoch: 1, owner: 'a', write: 2, created: CREATED, high: 0, highTime: '', unsettled: '' },
    ...{ window: 10, deaths: 0, starts: {}, run: 0, ...fields },
  };
}

/** What a position says of an event of its partition. */
export function isSettled(
  { high, unsettled, origin }: PositionRecord,
  { token, sequence }: { readonly token: string; readonly sequence: number },
): boolean {
  if (sequence <= high && !decodeSequences(unsettled).includes(sequence)) return true;
  if (origin === undefined) return false;
  const holder = partitionOf(token, origin.partitions);
  const source = origin.sources.find(({ partition }) => partition === holder);
  return (
    source !== undefined && sequence <= source.high && !decodeSequences(source.unsettled).includes(sequence)
  );
}

export function without<T extends object, K extends keyof T>(value: T, ...keys: readonly K[]): Omit<T, K> {
  const kept = Object.entries(value).filter(([key]) => !keys.includes(key as K));
  return Object.fromEntries(kept) as Omit<T, K>;
}
