import type { AggregateTransportOptions } from 'nestjs-aggregate-transport';
import type { Contender, Sample } from '../section.js';
import { Stopwatch } from '../stopwatch.js';
import type { Streams } from '../streams.js';
import { optionsFor } from '../workload.js';
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

/** The contenders of one pre-filled stream; each run reads all of it as a group of its own. */
export class Reading {
  #runs = 0;

  constructor(private readonly backlog: Backlog) {}

  raw(name: string, work: Work): Contender {
    return {
      name,
      run: async () => {
        const consumer = `raw-${++this.#runs}`;
        const { streams, topic: stream, events } = this.backlog;
        await streams.addConsumer(stream, consumer);
        const watch = new Stopwatch(events);
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
        const { streams, topic, events } = this.backlog;
        const watch = new Stopwatch(events);
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

  nest(name: string, work: Work, decorate: MethodDecorator[] = []): Contender {
    return {
      name,
      run: async () => {
        const { streams, topic, events } = this.backlog;
        const watch = new Stopwatch(events);
        const controller = controllerFor(topic, timed(watch, work), decorate);
        const service = await Service.start(this.#options(), [controller]);
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

  #options(): ReturnType<typeof optionsFor> & { group: string } {
    const group = `g${++this.#runs}`;
    const { url, topic, stream = {} } = this.backlog;
    return { ...optionsFor(url, [topic], { stream }), group };
  }

  /** Ends when the server holds no unsettled event. */
  async #ended(watch: Stopwatch): Promise<Sample> {
    await watch.allSeen();
    await this.backlog.streams.settled(this.backlog.topic);
    return { rate: watch.rate(), cpu: watch.cpu() };
  }
}
