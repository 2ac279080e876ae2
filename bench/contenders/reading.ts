import type { Type } from '@nestjs/common';
import type { AggregateTransportOptions, ConsumeOptions, NatsClientName } from 'nestjs-aggregate-transport';
import type { Contender, Sample } from '../section.js';
import { Stopwatch } from '../stopwatch.js';
import type { Streams } from '../streams.js';
import { optionsFor } from '../workload.js';
import { AllocationMeter } from '../allocation.js';
import { Door } from './door.js';
import { rawConsume } from './raw-consume.js';
import { controllerFor, Service } from './service.js';

/** A pre-filled stream. */
export interface Backlog {
  readonly url: string;
  readonly streams: Streams;
  readonly topic: string;
  readonly events: number;
  /** How its stream was made, where that differs from the defaults of the benches. */
  readonly stream?: AggregateTransportOptions['stream'];
  /** Which client reads. */
  readonly client?: NatsClientName;
  /** Count the bytes that are allocated, which makes the rest slower. */
  readonly countsBytes?: boolean;
}

/** What a handler does with an event. */
export type Work = () => Promise<void> | undefined;

export const trivial: Work = () => undefined;

/** A handler that does the work and tells the watch. */
function timed(watch: Stopwatch, work: Work): () => Promise<undefined> | undefined {
  return () => {
    watch.begin();
    const ended = work();
    if (ended === undefined) {
      watch.end();
      return undefined;
    }
    return ended.then(() => {
      watch.end();
      return undefined;
    });
  };
}

/** How a handler stands in its service. */
export interface Standing {
  /** Decorators of its method. */
  readonly decorate?: MethodDecorator[];
  readonly consume?: ConsumeOptions;
  readonly tracing?: AggregateTransportOptions['tracing'];
}

/** The contenders of one pre-filled stream; each run reads all of it as a group of its own. */
export class Reading {
  #runs = 0;

  constructor(
    readonly backlog: Backlog,
    /** Of its groups, where a topic is read by several. */
    private readonly prefix = '',
  ) {}

  raw(name: string, work: Work): Contender {
    return {
      name,
      run: async () => {
        const consumer = `${this.prefix}raw-${++this.#runs}`;
        const { streams, topic: stream, events } = this.backlog;
        await streams.addConsumer(stream, consumer);
        const watch = this.#watch();
        const handle = timed(watch, work);
        await rawConsume(streams.nats, { stream, consumer, events, handle });
        const sample = await this.#ended(watch);
        await streams.forgetReading(stream);
        return sample;
      },
    };
  }

  door(name: string, work: Work): Contender {
    return {
      name,
      run: async () => {
        const { streams, topic } = this.backlog;
        const watch = this.#watch();
        const door = await Door.open(this.#options(), topic, timed(watch, work));
        try {
          return await this.#ended(watch);
        } finally {
          await door.close();
          await streams.forgetReading(topic);
        }
      },
    };
  }

  nest(name: string, work: Work, { decorate, consume = {}, tracing }: Standing = {}): Contender {
    const { topic } = this.backlog;
    const more = { consume, ...(tracing === undefined ? {} : { tracing }) };
    return this.service(name, (watch) => controllerFor(topic, timed(watch, work), decorate), more);
  }

  /** A service whose controller tells the watch by itself. */
  service(
    name: string,
    controllerOf: (watch: Stopwatch) => Type,
    more: Pick<AggregateTransportOptions, 'consume' | 'tracing'> = {},
  ): Contender {
    return {
      name,
      run: async () => {
        const { streams, topic } = this.backlog;
        const watch = this.#watch();
        const controller = controllerOf(watch);
        const service = await Service.start({ ...this.#options(), ...more }, [controller]);
        try {
          const sample = await this.#ended(watch);
          return { ...sample, readers: service.extraReaders };
        } finally {
          await service.close();
          await streams.forgetReading(topic);
        }
      },
    };
  }

  #watch(): Stopwatch {
    const { events, countsBytes } = this.backlog;
    return new Stopwatch(events, countsBytes === true ? new AllocationMeter() : undefined);
  }

  #options(): ReturnType<typeof optionsFor> & { group: string } {
    const group = `${this.prefix}g${++this.#runs}`;
    const { url, topic, stream = {}, client = 'nats' } = this.backlog;
    return { ...optionsFor(url, [topic], { stream, client }), group };
  }

  /** Ends when the server holds no unsettled event. */
  async #ended(watch: Stopwatch): Promise<Sample> {
    await watch.allSeen();
    await this.backlog.streams.settled(this.backlog.topic);
    const sample = { rate: watch.rate(), cpu: watch.cpu() };
    const bytes = await watch.bytes();
    return bytes === undefined ? sample : { ...sample, bytes };
  }
}
