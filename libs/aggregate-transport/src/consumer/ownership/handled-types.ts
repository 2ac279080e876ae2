import type { HandledTypes } from '../../records/member-record.js';

/** A type that no live replica names for this long is one that no replica waits to handle. */
const NAMED_FOR_MS = 60_000;

interface Named {
  readonly handles: HandledTypes;
  /** When the replica was last seen alive; undefined while it lives. */
  goneAt: number | undefined;
}

/**
 * Which event types the other replicas of the group handle. A replica that is gone counts for a while longer: it may
 * be replaced by one that handles the same.
 */
export class TypesElsewhere {
  readonly #named = new Map<string, Named>();

  /** A live replica says what it handles. Returns true if it says so for the first time. */
  note(member: string, handles: HandledTypes): boolean {
    const isNew = !this.#named.has(member);
    this.#named.set(member, { handles, goneAt: undefined });
    return isNew;
  }

  noteGone(member: string, now: number): void {
    const named = this.#named.get(member);
    if (named !== undefined) named.goneAt ??= now;
    for (const [other, { goneAt }] of this.#named)
      if (goneAt !== undefined && now - goneAt >= NAMED_FOR_MS) this.#named.delete(other);
  }

  /** True if a live replica handles the type, or one that was alive within the last minute. */
  has(type: string, now: number): boolean {
    for (const { handles, goneAt } of this.#named.values()) {
      if (goneAt !== undefined && now - goneAt >= NAMED_FOR_MS) continue;
      if (handlesType(handles, type)) return true;
    }
    return false;
  }
}

/** True if neither handles all that the other does. Pure. */
export function areMixed(one: HandledTypes, other: HandledTypes): boolean {
  return !includesAll(one, other) && !includesAll(other, one);
}

/** For log texts. Pure. */
export function describeHandled({ types, others }: HandledTypes): string {
  return [...types, ...(others ? ['every other type'] : [])].join(', ') || 'none';
}

function includesAll(one: HandledTypes, other: HandledTypes): boolean {
  if (one.others) return true;
  return !other.others && other.types.every((type) => one.types.includes(type));
}

function handlesType({ types, others }: HandledTypes, type: string): boolean {
  return others || types.includes(type);
}
