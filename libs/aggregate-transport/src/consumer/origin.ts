import { isSabotaged } from '#sabotage';
import { type Clock, every, type Timer } from '../clock.js';
import { AggregateTransportError } from '../errors.js';
import type { Delivery } from '../message/delivery.js';
import type { ConsumerPort } from '../message/ports.js';
import { type Position, readPosition } from '../message/position.js';
import type { OriginMark } from './layout-marks.js';
import type { LeaseRecord } from './lease-record.js';
import { SettledBefore } from './settled-before.js';

export interface OriginOptions {
  readonly name: string;
  readonly port: ConsumerPort;
  readonly clock: Clock;
  /** The leases of the partitions, among so many, whose aggregates this partition holds now. */
  readonly formerLeases: (partitions: number) => Promise<ReadonlyMap<number, LeaseRecord | undefined>>;
  /** True if all that was taken in up to here is acked, but for what is in lanes. */
  readonly isAckedThrough: (sequence: number) => boolean;
}

const LOOK_EVERY_MS = 500;

/**
 * What the layout before had settled, for as long as this partition meets such events. Its modes:
 *
 * - `none`: nothing is left of an earlier layout. Left by {@link inherit}, with a lease that says otherwise.
 * - `unread`: known to exist. Left by {@link load}, before the first event is taken in.
 * - `in use`: tells which events are passed over. Left for `none` when all of them are delivered and acked: from then
 *   on the server knows all that this knew.
 */
export class Origin {
  #mark: OriginMark | undefined;
  #settled: SettledBefore | undefined;
  #watch: Timer | undefined;

  constructor(private readonly options: OriginOptions) {}

  /** What the lease says as long as there is something to pass over. */
  get mark(): OriginMark | undefined {
    return this.#mark;
  }

  inherit(mark: OriginMark | undefined): void {
    this.forget();
    this.#mark = mark;
  }

  /**
   * Reads what was settled; positions in another stream than the one made at `streamCreated` say nothing of it.
   * @throws JETSTREAM_REQUEST_FAILED, CONSUMER_MISMATCH
   */
  async load(streamCreated: string): Promise<void> {
    const mark = this.#mark;
    if (mark === undefined || this.#settled !== undefined) return;
    const positions = new Map<number, Position>();
    for (const [partition, lease] of await this.options.formerLeases(mark.partitions)) {
      const { drained } = lease ?? {};
      if (drained?.change !== mark.change) throw this.#missing(mark, partition);
      if (lease?.streamCreated === streamCreated) positions.set(partition, readPosition(drained));
    }
    // Another lease has begun meanwhile.
    if (this.#mark !== mark) return;
    this.#settled = new SettledBefore(mark.partitions, positions);
    this.#watch = every(this.options.clock, LOOK_EVERY_MS, () => void this.#look());
  }

  has(event: Delivery): boolean {
    return this.#settled?.has(event) === true && !isSabotaged('settled-before-ignored');
  }

  forget(): void {
    this.#watch?.cancel();
    this.#watch = undefined;
    this.#mark = undefined;
    this.#settled = undefined;
  }

  async #look(): Promise<void> {
    const { port, isAckedThrough } = this.options;
    const settled = this.#settled;
    if (settled === undefined || !port.connected) return;
    const state = await port.state().catch(() => undefined);
    if (state === undefined || settled !== this.#settled) return;
    const isDelivered = state.delivered >= settled.through || state.pending === 0;
    if (isDelivered && isAckedThrough(settled.through)) this.forget();
  }

  #missing({ change, partitions }: OriginMark, partition: number): AggregateTransportError {
    return new AggregateTransportError(
      'CONSUMER_MISMATCH',
      `expected the lease of partition ${partition} of ${partitions} to say where change ${change} drained it, ` +
        `found nothing of it; without it ${this.options.name} cannot tell settled events from others: ` +
        'restore the key, or start the group over',
    );
  }
}
