import type { NatsConnection } from 'nats';
import {
  decodeUnsettled,
  type PositionLine,
  PositionTap,
  type SentPosition,
} from '../harness/position-tap.js';
import { TOPIC } from './long-scene.js';

/** An owner gets unsettled events one by one if the first lies this far below the highest settled one. */
const FAR_BEHIND = 20_000;

/** When the server had stored that an event is settled, as a tap beside the consumers hears it. */
export class SettledLog {
  readonly #settledAt: Float64Array;
  readonly #open = new Set<number>();
  readonly #sent = new Map<number, SentPosition>();
  #high = 0;
  /** Claims of positions whose first unsettled event lay far behind. */
  farBehind = 0;
  /** The farthest an unsettled event lay below the highest settled one. */
  farthest = 0;

  constructor(
    nats: NatsConnection,
    group: string,
    maxSequence: number,
    private readonly claimed: () => void,
  ) {
    this.#settledAt = new Float64Array(maxSequence + 1);
    new PositionTap(nats, TOPIC, group, { write: (line) => this.#hear(line) });
  }

  /** True if the server had stored by then that the event is settled. */
  wasSettled(sequence: number, time: number): boolean {
    const at = this.#settledAt[sequence] ?? 0;
    return at > 0 && at < time;
  }

  #hear(line: PositionLine): void {
    if (line.what === 'position.sent') {
      this.#sent.set(line.id, line);
      return;
    }
    const sent = this.#sent.get(line.id);
    this.#sent.delete(line.id);
    if (sent !== undefined && line.what === 'position.stored') this.#stored(sent);
  }

  #stored({ write, high, unsettled }: SentPosition): void {
    const listed = decodeUnsettled(unsettled);
    const behind = listed[0] === undefined ? 0 : high - listed[0];
    this.farthest = Math.max(this.farthest, behind);
    if (write === 1) {
      if (behind > FAR_BEHIND) this.farBehind++;
      this.claimed();
    }
    for (let sequence = this.#high + 1; sequence <= high; sequence++) this.#open.add(sequence);
    this.#high = Math.max(this.#high, high);
    const now = performance.now();
    const stillOpen = new Set(listed);
    for (const sequence of this.#open) {
      if (stillOpen.has(sequence)) continue;
      this.#open.delete(sequence);
      this.#settledAt[sequence] = now;
    }
  }
}
