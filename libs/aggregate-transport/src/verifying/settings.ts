/** What a run does, and how much of it. */
export interface VerifySettings {
  readonly topic: string;
  readonly group: string;
  readonly events: number;
  readonly aggregates: number;
  /** Of load and faults; the start, the rest and the verdict come on top. */
  readonly seconds: number;
  /** Processes that handle. */
  readonly replicas: number;
  readonly partitions: number;
  readonly seed: number;
}

/** What a number may be, and what it is if none is given. */
export const RANGES = {
  /** Fewer prove little; more fill the stream and the journals, about 1 KiB each. */
  events: { otherwise: 12_000, least: 100, most: 500_000 },
  /** One has nothing to be independent of; each takes a lane. */
  aggregates: { otherwise: 60, least: 2, most: 10_000 },
  /** Shorter runs have few failovers. */
  seconds: { otherwise: 60, least: 5, most: 3_600 },
  /** One has no successor; each is a process of about 80 MB. */
  replicas: { otherwise: 3, least: 2, most: 16 },
  /** Each has a reader, a lease and a position. */
  partitions: { otherwise: 4, least: 1, most: 64 },
} as const;

/** What a run may take on the server, in bytes. */
export interface SizeBound {
  readonly topicBytes: number;
  readonly parkedBytes: number;
  readonly positionsBytes: number;
  readonly messages: number;
}

const LEAST_BYTES = 8 * 1_048_576;
/** An event with envelope, headers and subject. */
const EVENT_BYTES = 2_048;

/** How large the streams of a run may become. A stream that is full refuses events, and the run says so. Pure. */
export function sizeBoundOf({ events }: Pick<VerifySettings, 'events'>): SizeBound {
  const topicBytes = Math.max(LEAST_BYTES, events * EVENT_BYTES);
  return {
    topicBytes,
    parkedBytes: Math.max(LEAST_BYTES, Math.ceil(topicBytes / 4)),
    positionsBytes: LEAST_BYTES,
    messages: events + 1_000,
  };
}

/** Every name of a run begins with this; no other topic does. */
export const TOPIC_PREFIX = 'aggregate-verify-';
export const GROUP = 'verify';

/** The aggregates of a run. */
export function aggregateIds(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `verify-${index + 1}`);
}
