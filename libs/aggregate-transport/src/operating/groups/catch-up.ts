import { counted } from '../../counted.js';
import type { ParkedState } from '../../records/marker.js';
import type { GroupCondition } from './group-state.js';

/** An aggregate whose events wait in the parked stream. */
export interface AsideAggregate {
  /** Its id. */
  readonly aggregateId: string;
  /** Why its events wait: parked, diverted, or at its letters. */
  readonly state: ParkedState;
}

/** A group at one look, as far as it matters for catching up. */
export interface CatchUpLook {
  /** When it was read, on a clock that never goes back. */
  readonly at: number;
  readonly condition: GroupCondition;
  readonly owned: number;
  readonly partitions: number;
  /** Events stored and not settled; undefined if the server cannot tell. */
  readonly lag: number | undefined;
  /** The last sequence of the stream; undefined where nothing tells it. */
  readonly stored: number | undefined;
  /** The oldest event that is not settled; undefined if all are. */
  readonly oldest: number | undefined;
  readonly parked: number;
  /** The first few of the parked ones. */
  readonly aside: readonly AsideAggregate[];
}

export interface CatchUpBounds {
  /** What was stored longer ago than this has to be settled. */
  readonly withinMs: number;
  readonly maxLag: number | undefined;
  readonly maxParked: number;
}

interface Mark {
  readonly at: number;
  readonly stored: number;
}

/**
 * Tells when a group has caught up. Then nothing waits of what the stream held at the first look, nor of what it held
 * `withinMs` ago. It counts sequences and not times of storage, so the clocks of two machines do not matter.
 */
export class CatchUp {
  /** The first look, then those of the last `withinMs`. */
  #marks: Mark[] = [];

  constructor(private readonly bounds: CatchUpBounds) {}

  /** What is waited for, most important first; nothing once the group has caught up. */
  judge(look: CatchUpLook): readonly string[] {
    this.#mark(look);
    return [
      ...waitsOfCondition(look),
      ...this.#waitsOfEvents(look),
      ...waitsOfParked(look, this.bounds.maxParked),
    ];
  }

  #mark({ at, stored }: CatchUpLook): void {
    if (stored === undefined) return;
    const last = this.#marks.at(-1);
    // The stream was made again, and its sequences begin at 1.
    if (last !== undefined && stored < last.stored) this.#marks = [];
    const [first, ...others] = this.#marks;
    const kept = others.filter((mark) => at - mark.at <= this.bounds.withinMs);
    this.#marks = [...(first === undefined ? [] : [first]), ...kept, { at, stored }];
  }

  #waitsOfEvents({ at, lag, oldest, owned }: CatchUpLook): string[] {
    if (lag === undefined) return ['the server does not tell its lag'];
    const { maxLag, withinMs } = this.bounds;
    const idle = owned === 0 && lag > 0 ? ['no process owns a partition of it: start its service'] : [];
    if (maxLag !== undefined && lag > maxLag)
      return [...idle, `${counted(lag, 'event')} of at most ${maxLag} are left`];
    if (lag === 0) return [];
    const asked = this.#marks[0];
    const isSettled = (mark: Mark): boolean => oldest === undefined || oldest > mark.stored;
    if (asked === undefined || !isSettled(asked))
      return [...idle, 'events that were stored before this command are left'];
    const isRecent = this.#marks.some((mark) => at - mark.at <= withinMs && isSettled(mark));
    return isRecent ? [] : [...idle, `events that were stored ${withinMs} ms ago are left`];
  }
}

function waitsOfCondition({ condition }: CatchUpLook): string[] {
  if (condition === 'changing') return ['a change of the group is under way'];
  return condition === 'lost' ? ['its record is lost: restore it, or run group reset'] : [];
}

function waitsOfParked({ parked, aside }: CatchUpLook, maxParked: number): string[] {
  if (parked <= maxParked) return [];
  const named = aside.map(({ aggregateId, state }) => `${aggregateId} (${state})`).join(', ');
  const more = parked > aside.length ? ` and ${parked - aside.length} more` : '';
  // What is diverted, or at its letters, comes back by itself.
  const isForOperator = parked > aside.length || aside.some(({ state }) => state === 'parked');
  const todo = isForOperator ? `; see parked list, then parked retry, or pass --max-parked ${parked}` : '';
  return [`${counted(parked, 'aggregate')} whose events wait as letters: ${named}${more}${todo}`];
}
