import { type DrainedMark, type OriginMark, type RunningHandler, UNMADE } from './layout-marks.js';

/** What the lease key of a partition holds. */
export interface LeaseRecord {
  /** The process that holds or held it. */
  readonly owner: string;
  /** For how long the record stands unless it is renewed, in milliseconds. */
  readonly ttlMs: number;
  /** Grows by one with every change of owner: the fencing token of handlers. */
  readonly epoch: number;
  /** Grows with every write of the owner in this epoch; missing from versions before it. */
  readonly beat?: number;
  /** The owner let go in peace; anyone may take over at once. */
  readonly released?: boolean;
  /** Every event of the partition up to this stream sequence is settled. */
  readonly floor: number;
  /** When the stream was made, as the server tells it: another time is another stream. */
  readonly streamCreated: string;
  /** Which consumer is the partition's: 0 is the first one, any other the epoch that made it in place of one that was gone. */
  readonly generation: number;
  /** Generations before it, the last few: whatever is left or made late of them is removed. */
  readonly retired: readonly number[];
  /** The change of layout that made this partition; none: it is of the group's first layout. */
  readonly layout?: number | undefined;
  readonly drained?: DrainedMark | undefined;
  readonly origin?: OriginMark | undefined;
  /** While the partition is being drained: handlers that still run, the first few. */
  readonly running?: readonly RunningHandler[] | undefined;
}

/** What only the partition's consumer knows. */
export type LeaseFacts = Pick<LeaseRecord, 'floor' | 'streamCreated' | 'origin' | 'running'>;

/** The part of a lease that says which consumer is the partition's. */
export type ConsumerChoice = Pick<LeaseRecord, 'generation' | 'retired'>;

const MAX_RETIRED = 4;

/** Which consumer the owner of a new epoch uses; `gone` is the generation it knows to have vanished. Pure. */
export function chooseConsumer(
  found: Partial<ConsumerChoice> | undefined,
  epoch: number,
  gone: number | undefined,
): ConsumerChoice {
  const { generation = 0, retired = [] } = found ?? {};
  if (generation === UNMADE) return { generation: epoch, retired };
  if (generation !== gone) return { generation, retired };
  return { generation: epoch, retired: [...retired, generation].slice(-MAX_RETIRED) };
}
