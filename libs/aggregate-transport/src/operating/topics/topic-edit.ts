import { AggregateTransportError } from '../../errors.js';

/** What an operator wants of a topic's stream; undefined leaves it. */
export interface WantedTopic {
  /** -1: no limit. */
  readonly maxBytes?: number;
  /** -1: no limit. */
  readonly maxMessages?: number;
  /** 0: no limit. */
  readonly maxAgeMs?: number;
  readonly replicas?: number;
  readonly duplicateWindowMs?: number;
  readonly discard?: string;
  /** Only to be asked for: a server never changes it. */
  readonly storage?: string;
  readonly schedules?: true;
}

/** The stream as it is. */
export interface TopicNow {
  readonly maxBytes: number;
  readonly maxMessages: number;
  readonly maxAgeMs: number;
  readonly replicas: number;
  readonly duplicateWindowMs: number;
  readonly discard: string;
  readonly storage: string;
  readonly schedules: boolean;
  readonly messages: number;
  readonly bytes: number;
  /** When its first event was stored, in milliseconds since 1970; undefined without one. */
  readonly firstStoredAt: number | undefined;
  /** Takes message schedules; see ADR-51. */
  readonly canSchedule: boolean;
  readonly serverVersion: string;
}

/** An option of `stream` that changes. */
export interface TopicChange {
  readonly option: string;
  readonly from: string;
  readonly to: string;
}

export interface TopicEditPlan {
  readonly changes: readonly TopicChange[];
  /** What is lost by it; empty if nothing is. */
  readonly loses: readonly string[];
  /** What services have to know. */
  readonly notes: readonly string[];
}

/** Copies of an event stop that long before the window ends, in milliseconds; see `publish.giveUpAfterMs`. */
const COPIES_STOP_BEFORE_WINDOW_MS = 15_000;

/**
 * What an edit means. Pure.
 * @throws EDIT_REFUSED for what cannot be changed, or would break a promise
 */
export function planTopicEdit(
  topic: string,
  now: TopicNow,
  wanted: WantedTopic,
  wallMs: number,
): TopicEditPlan {
  const obstacle = whyRefused(now, wanted);
  if (obstacle !== undefined)
    throw new AggregateTransportError('EDIT_REFUSED', `topic "${topic}" stays as it is: ${obstacle}`);
  const options = [
    'maxBytes',
    'maxMessages',
    'maxAgeMs',
    'replicas',
    'duplicateWindowMs',
    'discard',
  ] as const;
  const changes: TopicChange[] = options.flatMap((option) => {
    const to = wanted[option];
    return to === undefined || to === now[option]
      ? []
      : [{ option, from: String(now[option]), to: String(to) }];
  });
  if (wanted.schedules === true && !now.schedules)
    changes.push({ option: 'schedules', from: 'off', to: 'on' });
  return { changes, loses: lossesOf(now, wanted, wallMs), notes: notesOf(changes, now, wanted) };
}

function whyRefused(now: TopicNow, wanted: WantedTopic): string | undefined {
  if (wanted.storage !== undefined && wanted.storage !== now.storage)
    return `a server cannot move a stream from ${now.storage} to ${wanted.storage}: copy it (topic copy) into a topic made so`;
  if (wanted.schedules === true && !now.canSchedule)
    return `message schedules need nats-server 2.12, found ${now.serverVersion}`;
  return whyNoValue(wanted);
}

function whyNoValue({ discard, replicas, duplicateWindowMs: window }: WantedTopic): string | undefined {
  if (discard !== undefined && !['old', 'new'].includes(discard))
    return `expected --discard old or new, found "${discard}"`;
  if (replicas !== undefined && !REPLICAS.includes(replicas))
    return `expected 1 to 5 replicas, found ${replicas}`;
  if (window === undefined || window > COPIES_STOP_BEFORE_WINDOW_MS) return undefined;
  return (
    `a duplicate window of ${window} ms leaves publishers no time: copies of an event stop ` +
    `${COPIES_STOP_BEFORE_WINDOW_MS} ms before it ends; choose more`
  );
}

const REPLICAS: readonly number[] = [1, 2, 3, 4, 5];

/** With `discard: old` a lower limit drops events at once, handled or not. */
function lossesOf(now: TopicNow, wanted: WantedTopic, wallMs: number): string[] {
  const losses: string[] = [];
  const dropsOld = (wanted.discard ?? now.discard) === 'old';
  const tooMany = above(now.messages, wanted.maxMessages);
  const tooLarge = above(now.bytes, wanted.maxBytes);
  if (dropsOld && tooMany > 0) losses.push(`the oldest ${tooMany} of ${now.messages} events`);
  if (dropsOld && tooLarge > 0) losses.push(`the oldest events, ${tooLarge} of ${now.bytes} bytes`);
  const { maxAgeMs } = wanted;
  const { firstStoredAt = wallMs } = now;
  if (maxAgeMs !== undefined && maxAgeMs > 0 && firstStoredAt < wallMs - maxAgeMs)
    losses.push(`all events stored before ${new Date(wallMs - maxAgeMs).toISOString()}`);
  return losses;
}

/** How much there is above a limit; 0 without one. */
function above(found: number, limit: number | undefined): number {
  return limit === undefined || limit <= 0 ? 0 : Math.max(0, found - limit);
}

function notesOf(changes: readonly TopicChange[], now: TopicNow, wanted: WantedTopic): string[] {
  const named = changes.filter(({ option }) => option !== 'schedules');
  const notes = named.map(
    ({ option, to }) =>
      `a service whose options say stream.${option} must say ${to} now: its next start ends with STREAM_MISMATCH otherwise; ` +
      'one that leaves it out starts as before',
  );
  if ((wanted.duplicateWindowMs ?? now.duplicateWindowMs) < now.duplicateWindowMs) {
    notes.push(
      'running publishers count on the longer window and report settings-changed until they are restarted; ' +
        'publish.giveUpAfterMs must be 15000 ms below the new one',
    );
  }
  if (wanted.schedules === true && !now.schedules)
    notes.push('a server never turns message schedules off again');
  return notes;
}

const BYTES = { '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;
const DURATIONS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Bytes as `1073741824` or `2GiB`, `-1` for no limit; undefined if it is neither. Pure. */
export function bytesIn(text: string): number | undefined {
  return text === '-1' ? -1 : amountIn(text, BYTES);
}

/** Milliseconds as `90s`, `2h` or `7d`; `0` for none. Undefined if it is neither. Pure. */
export function durationIn(text: string): number | undefined {
  return text === '0' ? 0 : amountIn(text, DURATIONS);
}

function amountIn(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text) ?? [];
  const size = units[unit];
  const value = size === undefined || amount === '' ? Number.NaN : Math.round(Number(amount) * size);
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
