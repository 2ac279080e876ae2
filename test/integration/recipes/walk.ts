import { afterEach, expect } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from 'nats';
import {
  AggregateContext,
  AggregateHandler,
  AggregateHealthIndicator,
  type AggregateTransportOptions,
  ParkedAggregates,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';

export const GROUP = 'billing';

type TopicOptions = NonNullable<AggregateTransportOptions['topics']>[string];

/** A payload: a number, or more bytes than an event has by itself. */
interface Numbered {
  readonly n: number;
  readonly filler?: string;
}

/** A service with one topic, whose events are called by their aggregate and number: `a1`. */
export class Service {
  readonly log = new CapturedLog();
  handled: string[] = [];
  /** What a handler has let take effect that guards with `ctx.position`, as the README says. */
  effects: string[] = [];
  readonly #guard = new Map<string, bigint>();
  token = 0;
  run = 0;
  readonly broken = new Set<string>();
  /** Handlers wait for it before they begin. */
  gate: (event: string) => Promise<void> | undefined = () => undefined;
  #app: INestApplication | undefined;

  constructor(
    readonly topic: string,
    private readonly url: () => string,
    private readonly options: TopicOptions,
    private readonly open: { close(): Promise<unknown> }[],
  ) {}

  async start(): Promise<void> {
    const handle = async (event: string, ctx: AggregateContext): Promise<void> => {
      const { fencingToken, run, aggregateId, position } = ctx;
      await this.gate(event);
      if (this.broken.has(event)) throw new UnrecoverableError(new Error('broken'));
      this.handled.push(event);
      this.token = fencingToken;
      this.run = run;
      if (position <= (this.#guard.get(aggregateId) ?? -1n)) return;
      this.#guard.set(aggregateId, position);
      this.effects.push(event);
    };

    @Controller()
    class Handler {
      @AggregateHandler(this.topic)
      handle(@Payload() { n }: Numbered, @Ctx() ctx: AggregateContext): Promise<void> {
        return handle(`${ctx.aggregateId}${n}`, ctx);
      }
    }
    const { consume, ...others } = this.options;
    this.#app = await startApp({
      logger: this.log,
      options: {
        servers: this.url(),
        group: GROUP,
        topics: { [this.topic]: { ...others, consume: { leaseTtlMs: 1_000, ...consume } } },
        shutdown: { drainMs: 1_000 },
      },
      publishers: [this.topic],
      controllers: [Handler],
    });
    this.open.push(this.#app);
  }

  async stop(): Promise<void> {
    this.open.splice(this.open.indexOf(this.#app!), 1);
    await this.#app!.close();
  }

  get parked(): ParkedAggregates {
    return this.#app!.get(ParkedAggregates);
  }

  async publish(...events: string[]): Promise<void> {
    for (const event of events) await this.publishLarge(event, 0);
  }

  /** Publishes all at once: events of several aggregates need not be stored in this order. */
  async publishAll(events: readonly string[]): Promise<void> {
    await publisherOf(this.#app!, this.topic).publishAll(
      events.map((event) => ({
        aggregateId: event[0]!,
        type: 'Counted',
        payload: { n: Number(event.slice(1)) },
      })),
    );
  }

  async publishLarge(event: string, bytes: number): Promise<void> {
    const payload: Numbered = { n: Number(event.slice(1)), ...(bytes > 0 && { filler: 'x'.repeat(bytes) }) };
    await publisherOf(this.#app!, this.topic).publish({ aggregateId: event[0]!, type: 'Counted', payload });
  }

  /** Resolves once exactly these were handled, in this order. */
  async hasHandled(...events: string[]): Promise<void> {
    await eventually(`${events.join(' ')} to be handled`, () => this.handled.length >= events.length).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}; found ${this.handled.join(' ')}\n${this.log.lines.join('\n')}`);
      },
    );
    expect(this.handled).toEqual(events);
  }

  /** What was handled of one aggregate, in order. */
  handledOf(aggregateId: string): string[] {
    return this.handled.filter((event) => event.startsWith(aggregateId));
  }

  /** Resolves once the log has a line like this. */
  async says(pattern: RegExp): Promise<void> {
    await this.log.says(pattern, 10_000).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.log.lines.join('\n')}`);
    });
  }

  async hasLetters(aggregateId: string, letters: number): Promise<void> {
    await eventually(`${letters} letter(s) of ${aggregateId}`, async () => {
      // A server that was restarted does not answer yet.
      const parked = await this.parked.list({ topic: this.topic }).catch(() => []);
      return parked.find((found) => found.aggregateId === aggregateId)?.letters === letters;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.log.lines.join('\n')}`);
    });
  }

  async retries(aggregateId: string): Promise<void> {
    await this.parked.retry({ topic: this.topic, aggregateId });
  }

  async healthCodes(): Promise<string[]> {
    const { events } = await this.#app!.get(AggregateHealthIndicator).isHealthy('events');
    return events.problems.map(({ code }) => code);
  }

  /** Resolves once health names exactly these. */
  async hasHealth(...codes: string[]): Promise<void> {
    await eventually(`health to name [${codes.join(' ')}]`, async () => {
      const found = await this.healthCodes();
      return found.toSorted().join(' ') === codes.toSorted().join(' ');
    }).catch(async (error: unknown) => {
      const found = await this.healthCodes();
      throw new Error(`${String(error)}; found [${found.join(' ')}]\n${this.log.lines.join('\n')}`);
    });
  }
}

export interface Walk {
  readonly service: (topic: string, options?: TopicOptions) => Service;
  /** What an operator has: an ordinary client. */
  readonly operator: () => Promise<NatsConnection>;
  /** `group reset … --to`, with our command line: built code, so it needs `npm run build`. */
  readonly reset: (topic: string, to: string) => Promise<void>;
}

/** Opens what a recipe needs, and closes it after each test. Call at the top. */
export function walkOn(server: () => { readonly url: string }): Walk {
  const open: { close(): Promise<unknown> }[] = [];
  const url = (): string => server().url;
  afterEach(async () => {
    for (const opened of open.splice(0).reverse()) await opened.close();
  });
  return {
    service: (topic, options = {}) => new Service(topic, url, options, open),
    operator: async () => {
      const nats = await connect({ servers: url() });
      open.unshift(nats);
      return nats;
    },
    reset: async (topic, to) => {
      const args = ['group', 'reset', topic, GROUP, '--to', to, '--yes', '--server', url()];
      const { code, output, errors } = await runCommand({ args });
      expect({ code, output, errors }).toMatchObject({ code: 0 });
    },
  };
}
