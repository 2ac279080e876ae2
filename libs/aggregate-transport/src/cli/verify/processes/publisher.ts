import 'reflect-metadata';
import { once } from 'node:events';
import { setTimeout as scheduled } from 'node:timers/promises';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AggregateTransportError } from '../../../errors.js';
import { AggregateTransportModule } from '../../../nest/aggregate-transport.module.js';
import type { AggregatePublisher } from '../../../nest/publishing/aggregate-publisher.js';
import { publisherToken } from '../../../nest/tokens.js';
import { HOT_SHARE } from '../../../verifying/event-fate.js';
import { Journal } from '../../../verifying/harness/journal.js';
import { randomFor } from '../../../verifying/harness/random.js';
import type { ProcessMessage, PublisherLine, PublisherSetup } from '../../../verifying/process-lines.js';
import type { Orders } from './orders.js';
import { processLog } from './process-log.js';
import { transportOptionsOf } from './transport-options.js';
import { loadHandlers, makeEvent, type UserHandlers } from './user-handlers.js';

type Tell = (message: ProcessMessage) => void;

const TICK_MS = 10;
const TELL_EVERY_MS = 500;
/** While the publisher cannot get rid of its events, it is given no more. */
const MAX_PENDING = 1_500;
const PURPOSE_LOAD = 1;

/** One service that publishes: numbered events of its own aggregates, at an even pace. */
export async function runPublisher(
  setup: PublisherSetup,
  { begun }: Pick<Orders, 'begun'>,
  tell: Tell,
): Promise<void> {
  const event = setup.handlers === undefined ? undefined : (await loadHandlers(setup.handlers)).event;
  // What is wrong about it is told before the first event.
  makeEvent(event, { aggregateId: setup.aggregateIds[0] ?? '', number: 1 });
  const options = await transportOptionsOf(setup, { publish: { giveUpAfterMs: 30_000 } });

  @Module({
    imports: [AggregateTransportModule.forRoot(options), AggregateTransportModule.forFeature([setup.topic])],
  })
  class PublisherModule {}

  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest takes plain options
  const app = await NestFactory.createApplicationContext(PublisherModule as Type, {
    logger: processLog,
    abortOnError: false,
  });
  process.once('SIGTERM', () => void app.close().finally(() => process.exit(0)));
  const load = new Load(app.get<AggregatePublisher>(publisherToken(setup.topic)), setup, event);
  tell({ kind: 'ready' });
  await begun;
  const telling = setInterval(() => tell({ kind: 'progress', stored: load.stored }), TELL_EVERY_MS);
  await load.run();
  clearInterval(telling);
  tell({ kind: 'progress', stored: load.stored });
  tell({ kind: 'done' });
  // It stays, to end frozen replicas if the parent is killed.
  await once(process, 'disconnect');
}

class Load {
  stored = 0;
  readonly #numbers = new Map<string, number>();
  readonly #outcomes = new Set<Promise<void>>();
  readonly #journal: Journal<PublisherLine>;
  readonly #random: () => number;

  constructor(
    private readonly publisher: AggregatePublisher,
    private readonly setup: PublisherSetup,
    private readonly event: UserHandlers['event'],
  ) {
    this.#journal = new Journal<PublisherLine>(setup.journal);
    this.#random = randomFor(setup.seed, PURPOSE_LOAD);
  }

  /** Resolves when each event has its outcome. */
  async run(): Promise<void> {
    const { events, eventsPerSecond } = this.setup;
    const from = performance.now();
    for (let called = 0; called < events;) {
      const due = Math.min(events, Math.ceil(((performance.now() - from) / 1_000) * eventsPerSecond));
      for (; called < due && this.publisher.pending < MAX_PENDING; called++) this.#publish(this.#draw());
      await scheduled(TICK_MS);
    }
    await Promise.all(this.#outcomes);
  }

  #draw(): string {
    const { aggregateIds } = this.setup;
    const index = this.#random() < HOT_SHARE ? 0 : Math.floor(this.#random() * aggregateIds.length);
    return aggregateIds[index] ?? '';
  }

  #publish(aggregateId: string): void {
    const number = (this.#numbers.get(aggregateId) ?? 0) + 1;
    this.#numbers.set(aggregateId, number);
    const { type, payload } = makeEvent(this.event, { aggregateId, number });
    this.#journal.write({ what: 'call', aggregateId, number });
    const outcome = this.publisher.publish({ aggregateId, type, payload, aggregateVersion: number }).then(
      ({ sequence }) => {
        this.stored++;
        this.#journal.write({ what: 'stored', aggregateId, number, sequence });
      },
      (error: unknown) => {
        const code = error instanceof AggregateTransportError ? error.code : 'OTHER';
        const what = code === 'OUTCOME_UNKNOWN' ? 'unknown' : 'refused';
        this.#journal.write({ what, aggregateId, number, code });
      },
    );
    this.#outcomes.add(outcome);
    void outcome.finally(() => this.#outcomes.delete(outcome));
  }
}
