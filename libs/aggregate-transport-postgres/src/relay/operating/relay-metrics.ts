import type { Meter, MetricAttributes } from 'nestjs-aggregate-transport';
import type { ShardRelay } from '../shard-relay.js';
import type { OutboxLooks } from './outbox-looks.js';

type Observe = (value: number, attributes: MetricAttributes) => void;
type Read = (observe: Observe) => void | Promise<void>;

const OWN = 'aggregate_transport.outbox';
const MS_PER_S = 1_000;

/** What is counted per shard, since the start of the process. */
const COUNTERS = [
  { name: 'published', unit: '{event}', description: 'Rows whose event is stored, and that are marked.' },
  { name: 'retried', unit: '{attempt}', description: 'Attempts that failed for now and are made again.' },
  { name: 'stopped', unit: '{aggregate}', description: 'Aggregates stopped, because an event was refused.' },
] as const;

/**
 * Lets a meter read what relays count anyway. Nothing here runs until a collection. Lag and age ask the database then,
 * for the topics whose first shard this process relays.
 */
export class RelayMetrics {
  readonly #close: (() => void)[] = [];

  constructor(
    private readonly meter: Meter,
    private readonly relays: readonly ShardRelay[],
    looks: OutboxLooks,
  ) {
    for (const { name, unit, description } of COUNTERS) {
      this.#add('createObservableCounter', { name, unit, description }, (observe) => {
        for (const relay of relays) observe(relay.counts[name], attributesOf(relay));
      });
    }
    this.#gauge('relaying', '1', '1 while this process relays the shard.', (relay) =>
      relay.mode === 'relaying' ? 1 : 0,
    );
    this.#gauge(
      'buffered.rows',
      '{row}',
      'Rows in memory, stored and not marked ones included.',
      (relay) => relay.load.rows,
    );
    this.#gauge('buffered.size', 'By', 'Bytes of their events.', (relay) => relay.load.bytes);
    const lag = {
      name: 'lag',
      unit: '{row}',
      description: 'Rows that are not published yet, up to 100 000.',
    };
    this.#ofTopics(lag, (topic) => looks.lag(topic));
    const oldest = {
      name: 'oldest.age',
      unit: 's',
      description: 'Age of the oldest of them; 0 without one.',
    };
    this.#ofTopics(oldest, async (topic) => (await looks.oldestMs(topic)) / MS_PER_S);
    const stopped = {
      name: 'stopped.current',
      unit: '{aggregate}',
      description: 'Aggregates that are stopped now.',
    };
    this.#ofTopics(stopped, (topic) => looks.stoppedCount(topic));
  }

  /** Takes its callbacks back. */
  close(): void {
    for (const close of this.#close.splice(0)) close();
  }

  #gauge(name: string, unit: string, description: string, of: (relay: ShardRelay) => number): void {
    this.#add('createObservableGauge', { name, unit, description }, (observe) => {
      for (const relay of this.relays) observe(of(relay), attributesOf(relay));
    });
  }

  #ofTopics(
    named: { name: string; unit: string; description: string },
    of: (topic: string) => Promise<number>,
  ): void {
    this.#add('createObservableGauge', named, async (observe) => {
      const own = this.relays.filter(({ mode, shard }) => mode === 'relaying' && shard.index === 0);
      await Promise.all(
        own.map(async ({ topic }) => {
          // Without an answer there is no value: an old one would be a lie.
          const value = await of(topic).catch(() => undefined);
          if (value !== undefined) observe(value, topicAttributes(topic));
        }),
      );
    });
  }

  #add(
    create: 'createObservableCounter' | 'createObservableGauge',
    { name, unit, description }: { name: string; unit: string; description: string },
    read: Read,
  ): void {
    const instrument = this.meter[create](`${OWN}.${name}`, { unit, description });
    const callback: Parameters<typeof instrument.addCallback>[0] = (result) =>
      read((value, attributes) => result.observe(value, attributes));
    instrument.addCallback(callback);
    this.#close.push(() => instrument.removeCallback(callback));
  }
}

function topicAttributes(topic: string): MetricAttributes {
  return { 'messaging.system': 'nats', 'messaging.destination.name': topic };
}

function attributesOf({ topic, shard }: ShardRelay): MetricAttributes {
  return { ...topicAttributes(topic), 'aggregate_transport.outbox.shard': String(shard.index) };
}
