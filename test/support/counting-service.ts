import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateGroups,
  AggregateHandler,
  AggregateId,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from './app.js';
import { CapturedLog } from './captured-log.js';
import { eventually } from './eventually.js';

/** An event as a handler saw it. */
export interface Counted {
  readonly id: string;
  readonly n: number;
  readonly sequence: number;
  readonly token: number;
  readonly run: number;
  readonly position: bigint;
  readonly isReplay: boolean;
}

export interface CountingOptions {
  readonly url: string;
  readonly topic: string;
  readonly group?: string;
  readonly partitions?: number;
}

/** A service that notes what it handles. Handlers of an id in `ill` fail, and wait while the service is held. */
export class CountingService {
  readonly handled: Counted[] = [];
  readonly ill = new Set<string>();
  readonly log = new CapturedLog();
  held: Promise<void> | undefined;
  readonly #apps: INestApplication[] = [];

  constructor(private readonly options: CountingOptions) {}

  get topic(): string {
    return this.options.topic;
  }

  get group(): string {
    return this.options.group ?? 'billing';
  }

  get app(): INestApplication {
    return this.#apps.at(-1)!;
  }

  get groups(): AggregateGroups {
    return this.app.get(AggregateGroups);
  }

  get parked(): ParkedAggregates {
    return this.app.get(ParkedAggregates);
  }

  async start(): Promise<INestApplication> {
    const { handled, ill, topic, options } = this;
    const held = (): Promise<void> | undefined => this.held;

    @Controller()
    class Handler {
      @AggregateHandler(topic)
      async handle(
        @Payload() { n }: { n: number },
        @AggregateId() id: string,
        @Ctx() ctx: AggregateContext,
      ): Promise<void> {
        await held();
        if (ill.has(id)) throw new Error(`${id} is ill`);
        const { sequence, fencingToken: token, run, position, isReplay } = ctx;
        handled.push({ id, n, sequence, token, run, position, isReplay });
      }
    }
    const app = await startApp({
      options: {
        servers: options.url,
        group: this.group,
        topics: {
          [topic]: {
            consume: {
              partitions: options.partitions ?? 4,
              leaseTtlMs: 1_500,
              retry: { attempts: 1 },
              breaker: { parked: 1_000 },
            },
          },
        },
      },
      logger: this.log,
      publishers: [topic],
      controllers: [Handler],
    });
    this.#apps.push(app);
    return app;
  }

  /** Events n of the given numbers, `keys` aggregates in turn. */
  async publish(from: number, count: number, keys = 6): Promise<void> {
    const events = Array.from({ length: count }, (_, index) => {
      const n = from + index;
      return { aggregateId: `order-${n % keys}`, type: 'Counted', payload: { n } };
    });
    await publisherOf(this.app, this.topic).publishAll(events);
  }

  async hasHandled(count: number): Promise<void> {
    await eventually(
      `${count} events to be handled, not ${this.handled.length}`,
      () => this.handled.length >= count,
    );
  }

  /** Numbers by aggregate, of what was handled from a place of the journal on. */
  since(place: number): Record<string, number[]> {
    const found: Record<string, number[]> = {};
    for (const { id, n } of this.handled.slice(place)) (found[id] ??= []).push(n);
    return found;
  }

  async close(): Promise<void> {
    await Promise.all(this.#apps.splice(0).map((app) => app.close()));
  }
}

/** What {@link CountingService.since} has if all of these were handled once, in order. */
export function numbersOf(first: number, last: number, keys = 6): Record<string, number[]> {
  const found: Record<string, number[]> = {};
  for (let n = first; n <= last; n++) (found[`order-${n % keys}`] ??= []).push(n);
  return found;
}
