import { type Clock, delay } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import type { TopicGroups } from './group-ports.js';
import { readGroup } from './group-state.js';

/** How far a group is behind the end of its stream, at one moment. */
export interface GroupLag {
  /** Its name. */
  readonly group: string;
  /** Events stored and not settled; undefined if the server cannot tell. */
  readonly lag: number | undefined;
  /** Parked aggregates; their letters are no lag. */
  readonly parked: number;
  /** Partitions that have an owner. */
  readonly owned: number;
  /** Partitions there are. */
  readonly partitions: number;
}

/** Two groups side by side. */
export interface FollowSample {
  /** The topic that both read. */
  readonly topic: string;
  /** When it was taken, by this host's clock. */
  readonly at: Date;
  /** The group that catches up. */
  readonly group: GroupLag;
  /** The one it is compared with. */
  readonly beside: GroupLag | undefined;
  /** Its lag is at most the bound: reads may switch to it. */
  readonly caughtUp: boolean;
  /** What is left divided by how fast it falls; undefined while it does not fall. */
  readonly secondsLeft: number | undefined;
}

/** What is followed, and until when. */
export interface FollowOptions {
  /** Another group of the topic, shown side by side. */
  readonly with?: string | undefined;
  /** The lag at which the group has caught up, from 0. @default 100 */
  readonly maxLag?: number | undefined;
  /** Between two looks, in milliseconds, from 100. @default 1 000 */
  readonly everyMs?: number | undefined;
  /** Does not end when it has caught up. @default false */
  readonly goOn?: boolean | undefined;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

const MAX_LAG = 100;
const EVERY_MS = 1_000;
const LEAST_EVERY_MS = 100;
const MS_PER_SECOND = 1_000;

/**
 * Looks at a group again and again, until it has caught up: that sample is the last one. Each look costs what `show`
 * costs, for both groups.
 * @throws GROUP_UNKNOWN, OPTIONS_INVALID, ABORTED, JETSTREAM_REQUEST_FAILED
 */
export async function* followGroup(
  topic: TopicGroups,
  group: string,
  clock: Clock,
  options: FollowOptions = {},
): AsyncGenerator<FollowSample, void, undefined> {
  const { with: other, goOn, signal } = options;
  const { maxLag, everyMs } = checked(options);
  let before: { readonly at: number; readonly lag: number } | undefined;
  for (;;) {
    refuseAborted(group, signal);
    const [own, beside] = await Promise.all([
      lagOf(topic, group, clock),
      other === undefined ? undefined : lagOf(topic, other, clock),
    ]);
    const now = clock.now();
    const caughtUp = own.lag !== undefined && own.lag <= maxLag;
    const secondsLeft = secondsOf(before, own.lag, now);
    yield { topic: topic.topic, at: new Date(clock.wallNow()), group: own, beside, caughtUp, secondsLeft };
    if (caughtUp && goOn !== true) return;
    before = own.lag === undefined ? before : { at: now, lag: own.lag };
    await delay(clock, everyMs);
  }
}

async function lagOf(topic: TopicGroups, group: string, clock: Clock): Promise<GroupLag> {
  const { lag, parked, owned, partitions } = await readGroup(topic, group, clock);
  return { group, lag, parked, owned, partitions };
}

function secondsOf(
  before: { readonly at: number; readonly lag: number } | undefined,
  lag: number | undefined,
  now: number,
): number | undefined {
  if (before === undefined || lag === undefined || lag >= before.lag) return undefined;
  const perMs = (before.lag - lag) / Math.max(1, now - before.at);
  return Math.ceil(lag / perMs / MS_PER_SECOND);
}

function checked({ maxLag = MAX_LAG, everyMs = EVERY_MS }: FollowOptions): Bounds {
  if (!(Number.isSafeInteger(maxLag) && maxLag >= 0))
    throw invalid(`expected maxLag to be a whole number from 0, found ${maxLag}`);
  if (!(everyMs >= LEAST_EVERY_MS && Number.isFinite(everyMs)))
    throw invalid(`expected everyMs to be a number from ${LEAST_EVERY_MS}, found ${everyMs}`);
  return { maxLag, everyMs };
}

interface Bounds {
  readonly maxLag: number;
  readonly everyMs: number;
}

function invalid(text: string): AggregateTransportError {
  return new AggregateTransportError('OPTIONS_INVALID', text);
}

function refuseAborted(group: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new AggregateTransportError(
    'ABORTED',
    `expected group "${group}" to catch up, found that the signal was aborted; it does so without this call, too`,
    { cause: signal.reason },
  );
}
