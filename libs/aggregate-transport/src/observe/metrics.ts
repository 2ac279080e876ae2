import { groupAttributes, partitionAttributes, problemAttributes, topicAttributes } from './attributes.js';
import type { GroupLooks } from './group-looks.js';
import * as instruments from './instruments.js';
import type {
  InstrumentOptions,
  Meter,
  MetricAttributes,
  ObservableCallback,
  ObservableResult,
} from './meter.js';
import type { Observed, ObservedGroup, ObservedPartition, ObservedTopic } from './observed.js';

type Named = InstrumentOptions & { readonly name: string };

export interface MetricsOptions {
  readonly meter: Meter;
  readonly observed: Observed;
  readonly looks: GroupLooks;
}

const MS_PER_S = 1_000;

/**
 * Lets a meter read what the transport counts anyway. Nothing here runs until a collection; then only lag and age ask
 * the server, together and once.
 */
export class Metrics {
  readonly #close: (() => void)[] = [];

  constructor(private readonly options: MetricsOptions) {
    for (const { of, ...named } of instruments.COUNTERS) {
      this.#counter(named, (result) =>
        this.#eachPartition((partition, where) => result.observe(of(partition.counts), where)),
      );
    }
    for (const { of, ...named } of instruments.GAUGES) {
      this.#gauge(named, (result) =>
        this.#eachPartition((partition, where) => {
          if (isOwned(partition)) result.observe(of(partition.consumer.load), where);
        }),
      );
    }
    this.#counter(instruments.CONSUMED, (result) =>
      this.#eachPartition((partition, where) => observeConsumed(result, partition, where)),
    );
    this.#gauge(instruments.BREAKER, (result) => {
      for (const { groups } of options.observed.topics())
        for (const { topic, group, partitions } of groups) {
          const isOpen = partitions[0]?.consumer.load.breaker.isOpen === true;
          result.observe(isOpen ? 1 : 0, groupAttributes(topic, group));
        }
    });
    this.#problems();
    this.#publishers();
    this.#fromServer();
  }

  /** Takes its callbacks back. */
  close(): void {
    for (const close of this.#close.splice(0)) close();
  }

  /** A code that was told of once is told of until the end: a series that only stops says nothing. */
  #problems(): void {
    const counts = new Map<string, { readonly where: MetricAttributes; count: number }>();
    this.#gauge(instruments.PROBLEMS, (result) => {
      for (const known of counts.values()) known.count = 0;
      for (const { code, topic, group } of this.options.observed.problems()) {
        const key = [code, topic, group].join(' ');
        const known = counts.get(key) ?? { where: problemAttributes(code, topic, group), count: 0 };
        known.count++;
        counts.set(key, known);
      }
      for (const { where, count } of counts.values()) result.observe(count, where);
    });
  }

  #publishers(): void {
    const each = (of: (topic: ObservedTopic) => number, more: Readonly<Record<string, string>> = {}) => {
      return (result: ObservableResult): void => {
        for (const topic of this.options.observed.topics())
          result.observe(of(topic), { ...topicAttributes(topic.name), ...more });
      };
    };
    const send = { 'messaging.operation.name': 'send' };
    this.#counter(
      instruments.SENT,
      each(({ publisher }) => publisher.published, send),
    );
    this.#counter(
      instruments.PUBLISH_FAILED,
      each(({ publisher }) => publisher.failed),
    );
    this.#gauge(
      instruments.PENDING,
      each(({ publisher }) => publisher.pending),
    );
    this.#gauge(
      instruments.UNKNOWN,
      each(({ publisher }) => publisher.unknownAggregates().length),
    );
  }

  #fromServer(): void {
    this.#gauge(instruments.LAG, (result) => this.#eachLook((where, { lag }) => result.observe(lag, where)));
    this.#gauge(instruments.OLDEST, (result) =>
      this.#eachLook((where, { ageMs }) => result.observe(ageMs / MS_PER_S, where)),
    );
  }

  #eachPartition(
    callback: (partition: ObservedPartition, where: Readonly<Record<string, string>>) => void,
  ): void {
    for (const { groups } of this.options.observed.topics())
      for (const { topic, group, partitions } of groups)
        for (const partition of partitions)
          callback(partition, partitionAttributes(topic, group, partition.partition));
  }

  async #eachLook(
    callback: (where: Readonly<Record<string, string>>, found: { lag: number; ageMs: number }) => void,
  ): Promise<void> {
    const { observed } = this.options;
    const looks = observed.topics().flatMap((topic) => topic.groups.map((group) => ({ topic, group })));
    await Promise.all(looks.map(({ topic, group }) => this.#look(topic, group, callback)));
  }

  async #look(
    topic: ObservedTopic,
    group: ObservedGroup,
    callback: (where: Readonly<Record<string, string>>, found: { lag: number; ageMs: number }) => void,
  ): Promise<void> {
    const { observed, looks } = this.options;
    if (!topic.connected || !group.partitions.some(isOwned)) return;
    // Without an answer there is no value: an old one would be a lie.
    const found = await looks.owned(topic, group).catch(() => undefined);
    const now = observed.clock.wallNow();
    for (const { partition, position, oldestStoredAt } of found?.partitions ?? []) {
      const owned = group.partitions.some((other) => other.partition === partition && isOwned(other));
      if (position === undefined || !owned) continue;
      callback(partitionAttributes(topic.name, group.group, partition), {
        lag: position.pending + position.unsettled,
        ageMs: Math.max(0, now - (oldestStoredAt ?? now)),
      });
    }
  }

  #counter(named: Named, callback: ObservableCallback): void {
    this.#add(named, callback, 'createObservableCounter');
  }

  #gauge(named: Named, callback: ObservableCallback): void {
    this.#add(named, callback, 'createObservableGauge');
  }

  #add(
    { name, ...options }: Named,
    callback: ObservableCallback,
    create: 'createObservableCounter' | 'createObservableGauge',
  ): void {
    const instrument = this.options.meter[create](name, options);
    instrument.addCallback(callback);
    this.#close.push(() => instrument.removeCallback(callback));
  }
}

function isOwned({ lease }: ObservedPartition): boolean {
  return lease.mode === 'held';
}

function observeConsumed(
  result: ObservableResult,
  { counts }: ObservedPartition,
  where: Readonly<Record<string, string>>,
): void {
  const process = { ...where, 'messaging.operation.name': 'process' };
  result.observe(counts.handled, process);
  for (const [stage, count] of Object.entries(counts.failedIn))
    if (count > 0) result.observe(count, { ...process, 'error.type': stage });
}
