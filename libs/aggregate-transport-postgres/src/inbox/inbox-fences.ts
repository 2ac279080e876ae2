import type { FencedError } from './fenced-error.js';
import type { InboxPlace } from './inbox-place.js';

/** An aggregate that a newer token keeps from being handled here. */
export interface InboxFence {
  /** The group that handles it. */
  readonly group: string;
  /** The topic of its events. */
  readonly topic: string;
  /** The aggregate's subject token. */
  readonly aggregate: string;
  /** The fencing token of this process. */
  readonly ownToken: bigint;
  /** The higher one that the row holds. */
  readonly storedToken: bigint;
  /** In milliseconds since 1970. */
  readonly since: number;
}

/** Aggregates told of at once; of more only the count grows. Each costs some 200 bytes. */
const MAX_FENCES = 1_000;

/**
 * Remembers which aggregates are fenced, for health. One that was refused once and is handled elsewhere is forgotten
 * after {@link FORGET_AFTER_MS}: a blocked aggregate is tried again sooner than that.
 */
export class InboxFences {
  readonly #fences = new Map<string, InboxFence & { seenAt: number }>();

  constructor(private readonly wallNow: () => number) {}

  note({ place, storedToken }: FencedError): void {
    const key = keyOf(place);
    const known = this.#fences.get(key);
    if (known === undefined && this.#fences.size >= MAX_FENCES) return;
    const { group, topic, aggregate, token: ownToken } = place;
    const seenAt = this.wallNow();
    const since = known?.since ?? seenAt;
    this.#fences.set(key, { group, topic, aggregate, ownToken, storedToken, since, seenAt });
  }

  /** The aggregate's event has passed. */
  clear(place: InboxPlace): void {
    if (this.#fences.size > 0) this.#fences.delete(keyOf(place));
  }

  /** The oldest first. */
  current(): readonly InboxFence[] {
    const oldest = this.wallNow() - FORGET_AFTER_MS;
    for (const [key, { seenAt }] of this.#fences) if (seenAt < oldest) this.#fences.delete(key);
    return [...this.#fences.values()].sort((one, other) => one.since - other.since);
  }
}

/** Longer than the longest wait before a blocked aggregate is tried again, by the defaults of the transport. */
const FORGET_AFTER_MS = 120_000;

function keyOf({ group, topic, aggregate }: InboxPlace): string {
  return `${group} ${topic} ${aggregate}`;
}
