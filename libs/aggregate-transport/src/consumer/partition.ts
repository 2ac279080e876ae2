import { isSabotaged } from '#sabotage';
import { newEventId } from '../message/event-id.js';
import type { KeyPort } from '../message/key-port.js';
import { Lease, type LeaseRecord } from './lease.js';
import { PartitionConsumer } from './partition-consumer.js';
import type { PartitionConsumerOptions } from './partition-options.js';

export interface PartitionOptions extends Omit<
  PartitionConsumerOptions,
  'ownership' | 'takeoverFailed' | 'startOver'
> {
  readonly partition: number;
  readonly leasePort: KeyPort<LeaseRecord>;
  readonly leaseTtlMs: number;
}

/**
 * One partition of a group as this process sees it: the lease that says whether it may run handlers, and
 * the consumer that runs them while it may.
 */
export class Partition {
  readonly partition: number;
  readonly #lease: Lease;
  readonly #consumer: PartitionConsumer;

  constructor(options: PartitionOptions) {
    const { name, clock, log, leasePort, leaseTtlMs } = options;
    this.partition = options.partition;
    const owner = newEventId(clock.wallNow());
    this.#lease = new Lease({
      name,
      owner,
      ttlMs: leaseTtlMs,
      port: leasePort,
      clock,
      log,
      facts: () => this.#consumer.facts(),
      acquired: (previous) => {
        log.info(`${name}: lease held, epoch ${this.#lease.epoch}`);
        this.#consumer.own({
          floor: previous?.floor ?? 0,
          streamCreated: previous?.streamCreated ?? '',
          ...this.#lease.consumer,
          mayCreate: this.#lease.consumer.generation === this.#lease.epoch,
          // A lease that this very process lost and took again says nothing against any event: it is alive.
          crashed: previous !== undefined && previous.released !== true && previous.owner !== owner,
        });
      },
      lost: (reason) => this.#consumer.disown(reason),
    });
    this.#consumer = new PartitionConsumer({
      ...options,
      ownership: this.#lease,
      startOver: (reason) => this.#lease.startOver(reason),
      takeoverFailed: (sinceMs) => {
        // Somebody with a better connection may do better.
        if (sinceMs > leaseTtlMs) this.#lease.giveUp('its takeover keeps failing');
      },
    });
  }

  get lease(): Pick<Lease, 'mode' | 'epoch' | 'isValid'> {
    return this.#lease;
  }

  get consumer(): Omit<PartitionConsumer, 'own' | 'disown' | 'close' | 'drain'> {
    return this.#consumer;
  }

  /** Begins to seek the lease. */
  start(): void {
    this.#lease.start();
  }

  /**
   * Takes in nothing new, lets running handlers end within `withinMs`, confirms their acks, and lets the lease
   * go, so that a successor takes over at once. If handlers or acks do not end in time the lease is left to
   * run out: a successor must not start while they run. Resolves with true if all ended in time.
   */
  async close(withinMs: number): Promise<boolean> {
    if (isSabotaged('release-early')) await this.#lease.release();
    const drained = await this.#consumer.drain(withinMs);
    if (drained) await this.#lease.release();
    else this.#lease.abandon();
    this.#consumer.close();
    return drained;
  }
}
