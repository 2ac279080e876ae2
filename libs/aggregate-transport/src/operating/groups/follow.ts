import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { inParallel } from '../../in-parallel.js';
import { aggregateIdOf } from '../../message/subject.js';
import { onAbort } from '../../on-abort.js';
import { type AsideAggregate, CatchUp } from './catch-up.js';
import type { TopicGroups } from './group-ports.js';
import { type GroupLook, lookAtGroup } from './group-state.js';

/** How far a group is behind the end of its stream, at one moment. */
export interface GroupLag {
  readonly group: string;
  /** Events stored and not settled; undefined if the server cannot tell. */
  readonly lag: number | undefined;
  /** Aggregates whose events wait as letters: parked, diverted or at their letters. */
  readonly parked: number;
  readonly owned: number;
  readonly partitions: number;
}

/** Two groups side by side. */
export interface FollowSample {
  readonly topic: string;
  readonly at: Date;
  /** The group that catches up. */
  readonly group: GroupLag;
  /** The one it is compared with. */
  readonly beside: GroupLag | undefined;
  /** Nothing is waited for: reads may switch to it. */
  readonly caughtUp: boolean;
  /** What is waited for, for people; empty once it has caught up. */
  readonly waitsFor: readonly string[];
  /** The first few of its aggregates whose events wait as letters. */
  readonly aside: readonly AsideAggregate[];
  /** What is left divided by how fast it falls; undefined while it does not fall. */
  readonly secondsLeft: number | undefined;
}

/** What is followed, and until when. */
export interface FollowOptions {
  /** Another group of the topic, shown side by side. */
  readonly with?: string | undefined;
  /**
   * What was stored longer ago than this is settled when the group has caught up, in milliseconds from 0. All that was
   * stored before the call is settled then in any case.
   * @default 10 000
   */
  readonly withinMs?: number | undefined;
  /** Asks besides that no more events are left than this, from 0. @default any number */
  readonly maxLag?: number | undefined;
  /** How many of its aggregates may be parked then, from 0. @default 0 */
  readonly maxParked?: number | undefined;
  /** Between two looks, in milliseconds, from 100. @default 1 000 */
  readonly everyMs?: number | undefined;
  /** Does not end when it has caught up. @default false */
  readonly goOn?: boolean | undefined;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

const WITHIN_MS = 10_000;
const EVERY_MS = 1_000;
const LEAST_EVERY_MS = 100;
const MS_PER_SECOND = 1_000;
/** More are counted and not named. */
const NAMED = 5;

/**
 * Looks at a group again and again, until it has caught up: that sample is the last one. Then all is settled that was
 * stored before the call, and all that was stored `withinMs` before that look. No change of the group is under way, and
 * no aggregate is parked. Each look costs what `show` costs, for both groups.
 * @throws GROUP_UNKNOWN, also if it is deleted; OPTIONS_INVALID, ABORTED, JETSTREAM_REQUEST_FAILED
 */
export async function* followGroup(
  topic: TopicGroups,
  group: string,
  clock: Clock,
  options: FollowOptions = {},
): AsyncGenerator<FollowSample, void, undefined> {
  const { with: other, goOn, signal } = options;
  const { everyMs, ...bounds } = checked(options);
  const catchUp = new CatchUp(bounds);
  let before: { readonly at: number; readonly lag: number } | undefined;
  for (;;) {
    refuseAborted(group, signal);
    const [own, beside] = await Promise.all([
      lookAtGroup(topic, group, clock),
      other === undefined ? undefined : lookAtGroup(topic, other, clock),
    ]);
    refuseDeleted(topic.topic, own);
    const at = clock.now();
    const aside = await asideOf(topic, own);
    const { lag } = own.details;
    const { stored, oldest } = own;
    const waitsFor = catchUp.judge({ ...own.details, stored, oldest, at, aside });
    const caughtUp = waitsFor.length === 0;
    yield {
      ...{ topic: topic.topic, at: new Date(clock.wallNow()), group: lagOf(own) },
      ...{ beside: beside && lagOf(beside), caughtUp, waitsFor, aside },
      secondsLeft: secondsOf(before, lag, at),
    };
    if (caughtUp && goOn !== true) return;
    before = lag === undefined ? before : { at, lag };
    await pause(clock, everyMs, signal);
  }
}

function lagOf({ details: { group, lag, parked, owned, partitions } }: GroupLook): GroupLag {
  return { group, lag, parked, owned, partitions };
}

async function asideOf(topic: TopicGroups, { details }: GroupLook): Promise<AsideAggregate[]> {
  if (details.parked === 0) return [];
  const { parked } = topic.portsOf(details.group);
  const tokens = (await parked.markedTokens()).toSorted().slice(0, NAMED);
  const found = await inParallel(tokens, NAMED, (token) => parked.readMarker(token));
  return found
    .filter((one) => one !== undefined)
    .map(({ token, marker: { state } }) => ({ aggregateId: aggregateIdOf(token), state }));
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

interface Bounds {
  readonly withinMs: number;
  readonly maxLag: number | undefined;
  readonly maxParked: number;
  readonly everyMs: number;
}

function checked({ withinMs = WITHIN_MS, maxLag, maxParked = 0, everyMs = EVERY_MS }: FollowOptions): Bounds {
  for (const [name, value] of Object.entries({ withinMs, maxLag: maxLag ?? 0, maxParked })) {
    if (!(Number.isSafeInteger(value) && value >= 0))
      throw invalid(`expected ${name} to be a whole number from 0, found ${value}`);
  }
  if (!(everyMs >= LEAST_EVERY_MS && Number.isFinite(everyMs)))
    throw invalid(`expected everyMs to be a number from ${LEAST_EVERY_MS}, found ${everyMs}`);
  return { withinMs, maxLag, maxParked, everyMs };
}

function invalid(text: string): AggregateTransportError {
  return new AggregateTransportError('OPTIONS_INVALID', text);
}

function refuseDeleted(topic: string, { details: { group, deletedAt } }: GroupLook): void {
  if (deletedAt === undefined) return;
  throw new AggregateTransportError(
    'GROUP_UNKNOWN',
    `expected group "${group}" on topic "${topic}" to catch up, found that it was deleted at ` +
      `${deletedAt.toISOString()}; start its service, or correct the name`,
  );
}

/** Until the time is over, or the signal is aborted. */
function pause(clock: Clock, forMs: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel();
      forget?.();
      resolve();
    };
    const timer = clock.after(forMs, end);
    const forget = signal && onAbort(signal, end);
  });
}

function refuseAborted(group: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new AggregateTransportError(
    'ABORTED',
    `expected group "${group}" to catch up, found that the signal was aborted; it does so without this call, too`,
    { cause: signal.reason },
  );
}
