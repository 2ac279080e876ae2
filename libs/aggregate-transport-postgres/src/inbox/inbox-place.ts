import { isSabotaged } from '#sabotage';
import { tokenOf } from 'nestjs-aggregate-transport';

/** What the inbox reads of the context that `@Ctx()` injects. */
export interface InboxContext {
  /** The group that handles the event. */
  readonly group: string;
  /** The topic of the event. */
  readonly topic: string;
  /** The aggregate that it belongs to. */
  readonly aggregateId: string;
  /** Grows per aggregate and group, across streams made again and resets. */
  readonly position: bigint;
  /** Grows with every change of the partition's owner. */
  readonly fencingToken: number;
}

/** An event's place: the row of its aggregate, and what it would write there. */
export interface InboxPlace {
  /** The group that handles the event. */
  readonly group: string;
  /** The topic of the event. */
  readonly topic: string;
  /** The aggregate's subject token. */
  readonly aggregate: string;
  /** The event's `ctx.position`. */
  readonly position: bigint;
  /** The owner's fencing token. */
  readonly token: bigint;
}

export function placeOf({ group, topic, aggregateId, position, fencingToken }: InboxContext): InboxPlace {
  return { group, topic, aggregate: tokenOf(aggregateId), position, token: BigInt(fencingToken) };
}

/** What the aggregate's row says. */
export interface InboxRow {
  readonly position: bigint;
  readonly token: bigint;
}

/** What is kept for an event: its aggregate's row, and the place up to which rows may be pruned. */
export interface InboxFound {
  readonly row: InboxRow | undefined;
  /** Of the group on the topic: every event up to here has been applied. 0 if nothing was pruned yet. */
  readonly floor: bigint;
}

/**
 * What a refused event is. `fenced`: a newer owner has written the row. `repeat`: the row, or what was pruned, has
 * reached the event. `again`: neither is so any more, because the row has changed since or is gone. Pure.
 */
export function judgeRefused(place: InboxPlace, { row, floor }: InboxFound): 'fenced' | 'repeat' | 'again' {
  if (row === undefined) return floor >= place.position ? 'repeat' : 'again';
  if (row.token > place.token && !isSabotaged('inbox-without-token')) return 'fenced';
  return row.position >= place.position || floor >= place.position ? 'repeat' : 'again';
}
