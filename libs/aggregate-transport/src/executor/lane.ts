/** What a lane holds: an item that carries the link to the one behind it, so a queue allocates nothing. */
export interface LaneItem {
  next: LaneItem | undefined;
}

/**
 * The queue of one key. Its modes:
 *
 * - `ready`: it has items, none of them runs. Entered by the first push, or when the head is done and
 *   another waits; left when the executor runs the head.
 * - `running`: its head runs. Left when that run ends.
 * - `waiting`: its head asked to run again later. Left when the time has come.
 * - `closed`: nothing runs until it is opened. Entered by `close`, or by a head that stopped its lane.
 * - `idle`: empty. An idle lane is forgotten at once, so a key at rest costs nothing.
 */
export type LaneMode = 'idle' | 'ready' | 'running' | 'waiting' | 'closed';

export class Lane<T extends LaneItem> {
  mode: LaneMode = 'idle';
  head: T | undefined;
  size = 0;
  /** How many items from the head on a run holds: the next ones of its lane are done with it. 1 while none runs. */
  span = 1;
  /** Set while `running`: close the lane when the run ends. */
  closing = false;
  /** When a `waiting` head runs again, on the executor's clock. */
  runsAgainAt = 0;
  /** True while the ready ring holds this lane; its mode may have changed meanwhile. */
  inRing = false;
  /** The lane behind this one in the ready ring. */
  nextReady: Lane<T> | undefined;
  /** What the executor does when a run of this lane's head ends in a later tick: made once, by the first one. */
  onStep: ((step: number) => void) | undefined = undefined;
  /** The same for a run that rejects. */
  onBreak: ((error: unknown) => void) | undefined = undefined;
  #tail: T | undefined;

  constructor(readonly key: string) {}

  append(item: T): void {
    item.next = undefined;
    if (this.#tail === undefined) this.head = item;
    else this.#tail.next = item;
    this.#tail = item;
    this.size++;
  }

  /** Removes the head. */
  shift(): void {
    const head = this.head;
    if (head === undefined) return;
    this.head = head.next as T | undefined;
    head.next = undefined;
    if (this.head === undefined) this.#tail = undefined;
    this.size--;
  }

  /** Removes all that the run holds. Returns how many that were. */
  shiftSpan(): number {
    const { span } = this;
    for (let left = span; left > 0; left--) this.shift();
    this.span = 1;
    return span;
  }

  /** Takes off everything behind the head, also what the run holds. */
  cutTail(): T[] {
    const tail: T[] = [];
    for (let item = this.head?.next; item !== undefined; item = item.next) tail.push(item as T);
    if (this.head !== undefined) this.clear(this.head);
    return tail;
  }

  /** Drops everything but the given head, or everything. */
  clear(kept: T | undefined): void {
    if (kept !== undefined) kept.next = undefined;
    this.head = kept;
    this.#tail = kept;
    this.size = kept === undefined ? 0 : 1;
    this.span = 1;
  }
}

/** What others may see of a lane. */
export type LaneLook<T extends LaneItem> = Readonly<
  Pick<Lane<T>, 'key' | 'mode' | 'head' | 'size' | 'runsAgainAt'>
>;
