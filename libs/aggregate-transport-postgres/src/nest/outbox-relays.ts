import { hostname } from 'node:os';
import { type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { type AggregatePublisher, aggregateIdOf } from 'nestjs-aggregate-transport';
import { systemClock, type Timer } from '../clock.js';
import { errorFields, type Log } from '../log.js';
import type { ResolvedRelay } from '../options/relay-options.js';
import { DayTables } from '../relay/operating/day-tables.js';
import { OutboxHealth, type OutboxProblem } from '../relay/operating/outbox-health.js';
import { OutboxLooks } from '../relay/operating/outbox-looks.js';
import { RelayMetrics } from '../relay/operating/relay-metrics.js';
import type { Stop } from '../relay/records/stops.js';
import type { RelayTrouble } from '../relay/sending/waits.js';
import { ShardRelay } from '../relay/shard-relay.js';
import { nestLog } from './nest-log.js';
import type { PostgresLink } from './postgres-link.js';

/** How often health looks at the database, in milliseconds. */
const LOOK_EVERY_MS = 5_000;
/** A frozen relay loses its lock after so long, in milliseconds. */
const SILENT_FOR_MS = 10_000;

/**
 * The relays of this process: one per topic and shard. They start when the application has started. They end before
 * publishers and connections are closed.
 */
export class OutboxRelays implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly looks: OutboxLooks;
  readonly #log: Log;
  readonly #relays: readonly ShardRelay[];
  readonly #health: OutboxHealth | undefined;
  readonly #days: DayTables | undefined;
  #metrics: RelayMetrics | undefined;
  #timer: Timer | undefined;
  #isClosed = false;

  /** @internal `AggregatePostgresModule` makes it. */
  constructor(
    private readonly link: PostgresLink,
    publishers: readonly AggregatePublisher[],
  ) {
    this.#log = nestLog('AggregateOutbox');
    const { database, names, options } = link;
    const { outbox } = options;
    this.looks = new OutboxLooks(database.run, names);
    this.#relays = outbox?.relay === true ? publishers.flatMap((one) => this.#relaysOf(one, outbox)) : [];
    if (outbox?.relay === true) {
      const { topics, stuckAfterMs } = outbox;
      const troubleOf = (topic: string): RelayTrouble | undefined =>
        this.#relays.find((relay) => relay.topic === topic && relay.trouble !== undefined)?.trouble;
      this.#health = new OutboxHealth({
        ...{ topics, stuckAfterMs, troubleOf, looks: this.looks, clock: systemClock },
      });
      this.#days = new DayTables({ database, names, clock: systemClock, log: this.#log });
    }
  }

  /** Topics of the outbox. */
  get topics(): readonly string[] {
    return this.link.options.outbox?.topics ?? [];
  }

  get relays(): readonly ShardRelay[] {
    return this.#relays;
  }

  /** What the last look found, at most 5 s ago. None in a process that does not relay. */
  problems(): OutboxProblem[] {
    return this.#health?.problems() ?? [];
  }

  onApplicationBootstrap(): void {
    const { meter } = this.link.options;
    for (const relay of this.#relays) relay.start();
    this.#days?.start();
    if (this.#health !== undefined) this.#lookAgain(this.#health);
    if (meter !== undefined && this.#relays.length > 0)
      this.#metrics = new RelayMetrics(meter, this.#relays, this.looks);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#days?.close();
    this.#metrics?.close();
    await Promise.all(this.#relays.map((relay) => relay.close()));
    this.#log.flush?.();
  }

  #lookAgain(health: OutboxHealth): void {
    void health.look().then(() => {
      if (!this.#isClosed) this.#timer = systemClock.after(LOOK_EVERY_MS, () => this.#lookAgain(health));
    });
  }

  #relaysOf(publisher: AggregatePublisher, options: ResolvedRelay): ShardRelay[] {
    const { topic, chained: target } = publisher;
    const { database, names } = this.link;
    const { shards, maxRows, maxBytes, pollMs, keepPublishedMs } = options;
    return Array.from({ length: shards }, (_, index) => {
      const shard = { index, count: shards };
      const limits = { rows: maxRows, bytes: maxBytes };
      return new ShardRelay({
        ...{ topic, shard, names, database, target, limits, pollMs, keepPublishedMs },
        ...{ silentForMs: SILENT_FOR_MS, holder: `${hostname()}:${process.pid}`, clock: systemClock },
        log: this.#log,
        onStopped: (stop) => this.#callHook(topic, stop, options),
      });
    });
  }

  #callHook(topic: string, { aggregate, eventId, code, reason }: Stop, { hooks }: ResolvedRelay): void {
    const notice = { topic, aggregateId: aggregateIdOf(aggregate), eventId, code, reason };
    Promise.resolve()
      .then(() => hooks.outboxStopped?.(notice))
      .catch((error: unknown) =>
        this.#log.write(
          'outbox-hook-failed',
          { topic, aggregate: notice.aggregateId, ...errorFields(error) },
          `hooks.outboxStopped failed: ${String(error)}`,
        ),
      );
  }
}
