import { RecentAttempts } from '#library/consumer/recent-attempts.js';
import { SeenEvents } from '#library/consumer/seen-events.js';
import { isSabotaged } from '#library/sabotage.js';
import type { Clock } from '#library/clock.js';
import { AloneTurns } from '#library/consumer/suspects/alone-turns.js';
import { Breaker } from '#library/consumer/breaker/breaker.js';
import { FailureLog } from '#library/consumer/handling/failure-log.js';
import { ByteBudget } from '#library/consumer/byte-budget.js';
import { EventHandlers } from '#library/consumer/handling/event-handlers.js';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import type { Tenancy } from '#library/consumer/ownership/ownership.js';
import { PartitionConsumer } from '#library/consumer/partition-consumer.js';
import type { PartitionPorts } from '#library/consumer/partition-options.js';
import { WriteBudget } from '#library/consumer/position/commit-pace.js';
import { silentLog } from '#library/log.js';
import { jsonCodec } from '#library/message/codec.js';
import type { Delivery } from '#library/message/delivery.js';
import type { GroupRecord } from '#library/records/group-record.js';
import type { Channel } from './walk-clock.js';

/** The world, as one process sees it. */
export interface ProcessWorld {
  readonly group: GroupRecord;
  /** The process wants another epoch, above this one. */
  startOver(process: WalkProcess, above: number): void;
  hasSurvived(owner: string, epoch: number): boolean;
  handle(process: WalkProcess, event: Delivery): PromiseLike<Failure | undefined> | Failure | undefined;
}

export interface WalkProcessOptions {
  readonly owner: string;
  readonly world: ProcessWorld;
  readonly clock: Clock;
  readonly random: () => number;
  /** Its processor: what it does by itself. */
  readonly cpu: Channel;
  /** Its network: what it hears. */
  readonly net: Channel;
  readonly ports: PartitionPorts;
  readonly policy: FailurePolicy;
  /** Shared with other partitions of the process. */
  readonly turns?: AloneTurns;
  readonly sizes: {
    readonly batch: number;
    readonly maxAckPending: number;
    readonly concurrency: number;
    readonly commitEveryMs: number;
  };
}

/** A process that owns the partition now and then. */
export class WalkProcess implements Tenancy {
  readonly owner: string;
  readonly ttlMs = 3_000;
  readonly consumer: PartitionConsumer;
  readonly turns: AloneTurns;
  epoch = 0;
  isDead = false;
  /** It holds the lease, as far as the lease says. */
  holds = false;
  /** It knows that its lease has ended. */
  isDisowned = true;
  above = 0;

  constructor(readonly options: WalkProcessOptions) {
    const { owner, world, clock, ports, policy, random, sizes } = options;
    this.owner = owner;
    this.turns = options.turns ?? new AloneTurns(clock);
    const handlers = new EventHandlers();
    handlers.add(undefined, {
      failurePolicy: policy,
      timeoutMs: 60_000,
      handle: (event) => world.handle(this, event),
    });
    this.consumer = new PartitionConsumer(
      {
        address: { topic: 't', group: 'g', layout: 0, partitions: 1, partition: 0 },
        ports,
        handling: {
          failurePolicy: policy,
          onUnhandledType: 'ignore',
          concurrency: sizes.concurrency,
          maxAckPending: sizes.maxAckPending,
        },
        calls: { codec: jsonCodec, handlers },
        reading: { batch: sizes.batch, pullExpiresMs: 1_000, commitEveryMs: sizes.commitEveryMs },
        shared: {
          breaker: new Breaker({ parked: 1_000, withinMs: 1, failedShare: 1, probeEveryMs: 1_000 }, 1),
          attempts: new RecentAttempts(clock),
          turns: this.turns,
          bytes: new ByteBudget(1e9),
          writes: new WriteBudget(clock),
          failures: new FailureLog('t/g', clock, silentLog),
        },
        group: {
          record: world.group,
          seen: new SeenEvents(),
          isCancelled: () => false,
          handlesElsewhere: () => false,
          hasSurvived: (name, _partition, epoch) => world.hasSurvived(name, epoch),
        },
        surroundings: {
          clock,
          random,
          log: silentLog,
          observer: { parked: () => undefined, unparked: () => undefined, stuck: () => undefined },
        },
      },
      this,
    );
  }

  isValid(): boolean {
    return (this.holds || (isSabotaged('no-deadline') && this.epoch > 0)) && !this.isDead;
  }

  remainingMs(): number {
    return this.isValid() ? 1_000 : 0;
  }

  startOver(_reason: string, above = 0): void {
    this.options.world.startOver(this, above);
  }

  overtaken(epoch: number): void {
    this.options.world.startOver(this, epoch);
  }

  giveUp(): void {
    this.options.world.startOver(this, 0);
  }

  noteFacts(): void {
    // The walk has no lease record.
  }
}
