import { Floors } from '../rows/floors.js';
import type { OutboxRow } from '../rows/outbox-row.js';
import type { PageLimits } from '../rows/row-reader.js';
import { type KnownEnd, Lane, type PendingRow } from './lane.js';

/** What may be in memory at once. */
export interface LaneLimits {
  readonly rows: number;
  /** Of their bodies. A single row may exceed it. */
  readonly bytes: number;
}

/** One aggregate may hold this share of the rows in memory, so that a long queue leaves room for others. */
const SHARE_OF_ONE = 4;
/** Aggregates at rest whose end is kept. Some 150 bytes each. */
const MAX_REMEMBERED = 100_000;

/**
 * Keeps the rows in memory: those that wait or are on their way, by aggregate, and those that are stored and not marked
 * yet. A row leaves when its mark is committed. So `size` bounds what a read may bring.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  readonly #readyToLook = new Set<Lane>();
  readonly #readyToSend = new Set<Lane>();
  /** Rows whose mark is not committed, by id. */
  readonly #unmarked = new Map<number, PendingRow>();
  readonly #unmarkedOf = new Map<string, number>();
  readonly #floors = new Floors();
  /** The ends of aggregates at rest, the longest unused first. */
  readonly #remembered = new Map<string, KnownEnd>();
  #bytes = 0;

  constructor(private readonly limits: LaneLimits) {}

  get size(): number {
    return this.#unmarked.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Every row that is not marked was stored above this, if at all; undefined if there is none. */
  get lowestFloor(): number | undefined {
    return this.#floors.lowest;
  }

  /** What a read may bring; undefined if memory is full. */
  get room(): PageLimits | undefined {
    const rows = this.limits.rows - this.size;
    const bytes = this.limits.bytes - this.#bytes;
    return rows > 0 && bytes > 0 ? { rows, bytes } : undefined;
  }

  /** The most rows of one aggregate. */
  get mostOfOne(): number {
    return Math.max(1, Math.floor(this.limits.rows / SHARE_OF_ONE));
  }

  find(token: string): Lane | undefined {
    return this.#lanes.get(token);
  }

  /** Lanes whose tail has to be read before they can send. */
  get readyToLook(): ReadonlySet<Lane> {
    return this.#readyToLook;
  }

  get readyToSend(): ReadonlySet<Lane> {
    return this.#readyToSend;
  }

  unmarkedOf(token: string): number {
    return this.#unmarkedOf.get(token) ?? 0;
  }

  /** The ids of rows in memory above one id and up to another. */
  knownIds(above: number, upTo: number): number[] {
    return [...this.#unmarked.keys()].filter((id) => id > above && id <= upTo);
  }

  /** Takes a row in, unless it is in memory. */
  add(row: OutboxRow, floor: number): void {
    if (this.#unmarked.has(row.id)) return;
    const { token } = row.event;
    const pending = { ...row, floor };
    this.#unmarked.set(row.id, pending);
    this.#unmarkedOf.set(token, this.unmarkedOf(token) + 1);
    this.#floors.add(floor);
    this.#bytes += row.bytes;
    const lane = this.#lanes.get(token) ?? this.#open(token);
    lane.add(pending);
    this.noteChanged(lane);
  }

  /** The lane may have another mode. */
  noteChanged(lane: Lane): void {
    this.#readyToLook.delete(lane);
    this.#readyToSend.delete(lane);
    if (lane.mode === 'ready') (lane.last === undefined ? this.#readyToLook : this.#readyToSend).add(lane);
    if (lane.mode !== 'resting') return;
    this.#lanes.delete(lane.token);
    this.#remember(lane);
  }

  /** The marks of these rows are being committed, or the rows are left to a later relay. */
  release(ids: Iterable<number>): void {
    for (const id of ids) {
      const row = this.#unmarked.get(id);
      if (row === undefined) continue;
      const { token } = row.event;
      this.#unmarked.delete(id);
      this.#floors.remove(row.floor);
      this.#bytes -= row.bytes;
      const left = this.unmarkedOf(token) - 1;
      if (left > 0) this.#unmarkedOf.set(token, left);
      else this.#unmarkedOf.delete(token);
    }
  }

  /** Forgets an aggregate that is stopped. */
  drop(lane: Lane): void {
    this.#lanes.delete(lane.token);
    this.#readyToLook.delete(lane);
    this.#readyToSend.delete(lane);
    this.release(lane.rows.map(({ id }) => id));
  }

  /** The stream was made again: any row may stand anywhere in it. */
  forgetSequences(): void {
    this.#remembered.clear();
    for (const lane of this.#lanes.values()) {
      lane.forgetSequences();
      this.noteChanged(lane);
    }
    for (const [id, row] of this.#unmarked) {
      this.#floors.remove(row.floor);
      this.#floors.add(0);
      this.#unmarked.set(id, { ...row, floor: 0 });
    }
  }

  #open(token: string): Lane {
    const lane = new Lane(token, this.#remembered.get(token));
    this.#remembered.delete(token);
    this.#lanes.set(token, lane);
    return lane;
  }

  #remember({ token, end }: Lane): void {
    if (end === undefined) return;
    this.#remembered.set(token, end);
    if (this.#remembered.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }
}
