import { invalid, numberIn, requireKnown } from './option-values.js';

/** An aggregate whose event was refused for good. */
export interface OutboxStoppedNotice {
  /** The topic of the event. */
  readonly topic: string;
  /** The aggregate that is stopped. */
  readonly aggregateId: string;
  /** The event that was refused. */
  readonly eventId: string;
  /** The publisher's error code, such as `EVENT_TOO_LARGE`. */
  readonly code: string;
  /** Never holds a payload. */
  readonly reason: string;
}

/** What a service wants to hear of, to raise an alert. What a hook throws or rejects with is logged. */
export interface OutboxHooks {
  /** The event was refused for good. Its aggregate waits for an operator; others continue. */
  outboxStopped?: (notice: OutboxStoppedNotice) => unknown;
}

/** How rows get from the outbox into the stream. */
export interface RelayOptions {
  /** Whether this process relays. @default true */
  readonly relay?: boolean;
  /**
   * Into how many parts the aggregates of a topic are divided: each part has one relay at a time, which holds one
   * connection. A power of two, 1 to 256. @default 1
   */
  readonly shards?: number;
  /** Rows that a relay holds in memory, 100 to 100 000. @default 10_000 */
  readonly maxRows?: number;
  /** Bytes of their events, 1 MiB to 1 GiB. @default 67_108_864 */
  readonly maxBytes?: number;
  /** How often a relay looks for rows without a notification, in milliseconds, 50 to 3 000. @default 1_000 */
  readonly pollMs?: number;
  /**
   * How long published rows stay, in milliseconds, 1 to 31 536 000 000 (a year). Without it they are deleted at once.
   */
  readonly keepPublishedMs?: number;
  /**
   * A row that waits longer than this makes `outbox-stuck`, in milliseconds, 1 000 to 86 400 000.
   * @default 60_000
   */
  readonly stuckAfterMs?: number;
  /** Called when an aggregate is stopped. */
  readonly hooks?: OutboxHooks;
}

/** What a relay does unless it is told otherwise. */
export const RELAY_DEFAULTS = {
  relay: true,
  shards: 1,
  maxRows: 10_000,
  maxBytes: 67_108_864,
  pollMs: 1_000,
  stuckAfterMs: 60_000,
} as const satisfies RelayOptions;

/** The options with their defaults, checked. */
export interface ResolvedRelay {
  readonly relay: boolean;
  readonly shards: number;
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly pollMs: number;
  /** Undefined if published rows are deleted. */
  readonly keepPublishedMs: number | undefined;
  readonly stuckAfterMs: number;
  readonly hooks: OutboxHooks;
}

export const RELAY_OPTIONS = Object.keys({
  ...{
    relay: 1,
    shards: 1,
    maxRows: 1,
    maxBytes: 1,
    pollMs: 1,
    keepPublishedMs: 1,
    stuckAfterMs: 1,
    hooks: 1,
  },
} satisfies Record<keyof RelayOptions, 1>);

const HOOKS = new Set(['outboxStopped']);
const MOST_SHARDS = 256;
const RANGES = {
  maxRows: { least: 100, most: 100_000 },
  maxBytes: { least: 1_048_576, most: 1_073_741_824 },
  pollMs: { least: 50, most: 3_000 },
  stuckAfterMs: { least: 1_000, most: 86_400_000 },
} as const;
const KEEP_MS = { least: 1, most: 31_536_000_000 };

/** @throws POSTGRES_OPTIONS_INVALID */
export function relayOf(options: RelayOptions): ResolvedRelay {
  const {
    relay = RELAY_DEFAULTS.relay,
    shards = RELAY_DEFAULTS.shards,
    keepPublishedMs,
    hooks = {},
  } = options;
  if (typeof relay !== 'boolean') throw invalid('outbox.relay', 'true or false', relay);
  const isPower =
    Number.isInteger(shards) && shards >= 1 && shards <= MOST_SHARDS && Number.isInteger(Math.log2(shards));
  if (!isPower) throw invalid('outbox.shards', `a power of two from 1 to ${MOST_SHARDS}`, shards);
  const number = (name: keyof typeof RANGES): number =>
    numberIn(`outbox.${name}`, options[name] ?? RELAY_DEFAULTS[name], RANGES[name]);
  return {
    ...{ relay, shards, hooks: hooksOf(hooks) },
    ...{ maxRows: number('maxRows'), maxBytes: number('maxBytes') },
    ...{ pollMs: number('pollMs'), stuckAfterMs: number('stuckAfterMs') },
    keepPublishedMs:
      keepPublishedMs === undefined
        ? undefined
        : numberIn('outbox.keepPublishedMs', keepPublishedMs, KEEP_MS),
  };
}

function hooksOf(hooks: OutboxHooks): OutboxHooks {
  if (typeof (hooks as unknown) !== 'object' || (hooks as unknown) === null)
    throw invalid('outbox.hooks', 'an object', hooks);
  requireKnown('outbox.hooks.', hooks, HOOKS);
  const { outboxStopped } = hooks;
  if (outboxStopped !== undefined && typeof outboxStopped !== 'function')
    throw invalid('outbox.hooks.outboxStopped', 'a function', outboxStopped);
  return hooks;
}
