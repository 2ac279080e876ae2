import type { StreamState } from '../../message/reader-port.js';
import type { GroupRecord } from '../../records/group-record.js';
import { decodeSequences, type PositionRecord } from '../../records/position-record.js';

/** Where a partition stands, as its next owner would find it. */
export interface PositionBasis {
  readonly high: number;
  readonly epoch: number;
  readonly run: number;
  readonly unsettled: readonly number[];
}

/**
 * What a position says of the stream there is. A partition without one begins where its group began, and a stream that
 * was made again, and not restored, is read from its first event. Pure.
 */
export function basisOf(
  position: PositionRecord | undefined,
  group: GroupRecord | undefined,
  { created, isRestored }: Pick<StreamState, 'created' | 'isRestored'>,
): PositionBasis {
  if (position === undefined) {
    const { start = { sequence: 0, created, epoch: 0 }, run = 0 } = group ?? {};
    const { epoch } = start;
    if (start.created !== created) return { high: 0, epoch, run: run + 1, unsettled: [] };
    return { high: start.sequence, epoch, run, unsettled: [] };
  }
  const { epoch, run, high } = position;
  if (position.created !== created && !isRestored) return { high: 0, epoch, run: run + 1, unsettled: [] };
  return { high, epoch, run, unsettled: decodeSequences(position.unsettled) };
}
