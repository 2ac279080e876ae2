import 'reflect-metadata';
import {
  type CanActivate,
  Catch,
  ConsoleLogger,
  Controller,
  type ExecutionContext,
  type ExceptionFilter,
  Module,
  type NestInterceptor,
  UseFilters,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  type AggregateContext,
  AggregateHandler,
  type AggregatePublisher,
  AggregateServer,
  AggregateTransportModule,
  AggregateTransportStatus,
  type AttemptContext,
  type Codec,
  getAggregatePublisherToken,
  jsonCodec,
  type Meter,
  ParkedAggregates,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { concat, EMPTY, from, of, throwError, timeout } from 'rxjs';
import { randomFor } from '../faults/harness/random.js';
import { HandledOrder } from './handled-order.js';
import { hostileErrors, NONSENSE } from './hostile.js';

// A service whose own code misbehaves at every border: what it throws cannot be read, and what it answers is nonsense,
// or late. Each case is one event of an aggregate of its own. It ends by itself, with code 0, when all cases have
// ended.

const [, , servers = '', ...numbers] = process.argv;
const [seed = 0, first = 0, cases = 0] = numbers.map(Number);
/** How often a border misbehaves when it is crossed. */
const SHARE = 0.25;

/** The borders, as purposes of the seed. */
const BORDER = {
  ...{
    codec: 1,
    guard: 2,
    before: 3,
    after: 4,
    handler: 5,
    filter: 6,
    classify: 7,
    hook: 8,
    meter: 9,
    logger: 10,
  },
  ...{ start: 11, end: 12, around: 13 },
} as const;

function pick<T>(items: readonly T[], random: () => number): T {
  return items[Math.floor(random() * items.length)]!;
}

function isBad(random: () => number, share = SHARE): boolean {
  return random() < share;
}

function misbehave(random: () => number): unknown {
  if (random() < 0.5) throw pick(hostileErrors(), random);
  return pick(NONSENSE, random)();
}

interface Case {
  readonly n: number;
}

/** Of a border that a case crosses. It depends on the case alone, so a run of some cases is part of a run of all. */
function randomAt(border: number, context: AggregateContext): () => number {
  const [, n = 0] = context.aggregateId.split(' ');
  return randomFor(seed, border, Number(n), context.attempt);
}

function contextOf(host: ExecutionContext): AggregateContext {
  return host.switchToRpc().getContext<AggregateContext>();
}

const codec: Codec = {
  encode: (envelope) => jsonCodec.encode(envelope),
  decode: (bytes) => {
    const decoded = jsonCodec.decode(bytes) as { payload: Case };
    const random = randomFor(seed, BORDER.codec, decoded.payload.n);
    return isBad(random, SHARE / 4) && decoded.payload.n >= 0 ? misbehave(random) : decoded;
  },
};

/** Fails first attempts only: what a guard refuses for ever blocks for ever, as documented. */
const guard: CanActivate = {
  canActivate: (host) => {
    const context = contextOf(host);
    const random = randomAt(BORDER.guard, context);
    if (context.type === 'Bad' && context.attempt === 1 && isBad(random)) return misbehave(random) as never;
    return true;
  },
};

/** Fails first attempts only, as the guard does. */
function around(context: AttemptContext, next: () => Promise<void>): unknown {
  const random = randomFor(seed, BORDER.around, context.sequence);
  if (context.type !== 'Bad' || context.attempt > 1 || !isBad(random)) return next();
  return pick<() => unknown>(
    [
      () => misbehave(random),
      () => [next(), misbehave(random)][1],
      () => next().then(() => misbehave(random)),
      () => [next(), next()],
      () => void next(),
      () => next().catch(() => 'swallowed'),
    ],
    random,
  )();
}

const interceptor: NestInterceptor = {
  intercept: (host, next) => {
    const context = contextOf(host);
    if (context.type !== 'Bad') return next.handle();
    const before = randomAt(BORDER.before, context);
    if (isBad(before)) return misbehave(before) as never;
    const after = randomAt(BORDER.after, context);
    if (!isBad(after)) return next.handle();
    return pick(
      [
        () => next.handle().pipe(timeout(1)),
        () =>
          concat(
            next.handle(),
            throwError(() => pick(hostileErrors(), after)),
          ),
        () => EMPTY,
      ],
      after,
    )();
  },
};

@Catch()
class BadFilter implements ExceptionFilter {
  catch(error: unknown, host: ExecutionContext) {
    const context = contextOf(host);
    const random = randomAt(BORDER.filter, context);
    if (isBad(random)) return misbehave(random) as never;
    return throwError(() => error);
  }
}

function classify({ attempt, type }: { attempt: number; type: string | undefined }) {
  classified++;
  const random = randomFor(seed, BORDER.classify, first, classified, attempt, type?.length ?? 0);
  return isBad(random, 2 * SHARE) ? (misbehave(random) as never) : undefined;
}
let classified = 0;

/** Misbehaves by its own count: such calls carry no event. */
function counted(border: number): () => unknown {
  let calls = 0;
  return () => {
    const random = randomFor(seed, border, first, calls++);
    return isBad(random) ? misbehave(random) : undefined;
  };
}

const hook = counted(BORDER.hook);
const measure = counted(BORDER.meter);
const instrument = {
  addCallback: () => undefined,
  removeCallback: () => undefined,
  record: () => measure() as never,
};
const meter: Meter = {
  createHistogram: () => instrument,
  createObservableCounter: () => instrument,
  createObservableGauge: () => instrument,
};
const complaints = counted(BORDER.logger);

/** Nest itself ends a process whose logger throws while it starts. */
let isUp = false;

/** A logger that answers later is lost to us: Nest drops its answer. */
function complain(): void {
  if (!isUp) return;
  const answer = complaints();
  Promise.resolve(answer).catch(() => undefined);
}

class BadLogger extends ConsoleLogger {
  override log(): void {
    complain();
  }
  override warn(): void {
    complain();
  }
  override error(): void {
    complain();
  }
}

const order = new HandledOrder();

@Controller()
@UseGuards(guard)
@UseInterceptors(interceptor)
@UseFilters(new BadFilter())
class Foreign {
  @AggregateHandler('foreign', { type: 'Bad' })
  handle(@Payload() _case: Case, @Ctx() context: AggregateContext): unknown {
    const random = randomAt(BORDER.handler, context);
    const error = pick(hostileErrors(), random);
    return pick<() => unknown>(
      [
        () => {
          throw error;
        },
        () => Promise.reject(error),
        () => new Promise((_resolve, reject) => setImmediate(() => reject(error as Error))),
        () => throwError(() => error),
        () =>
          concat(
            of(1),
            throwError(() => error),
          ),
        () => from(Promise.reject(error as Error)),
        () => {
          throw new UnrecoverableError(error);
        },
        pick(NONSENSE, random),
        () => new Promise((resolve) => setTimeout(resolve, 3)),
      ],
      random,
    )();
  }

  @AggregateHandler('foreign', { type: 'Fine' })
  async fine(@Payload() { n }: Case, @Ctx() { aggregateId, fencingToken }: AggregateContext) {
    await Promise.resolve();
    order.note(aggregateId, -n, fencingToken);
  }
}

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers,
      group: 'foreign',
      topics: { foreign: { codec } },
      consume: {
        around,
        classify,
        retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 2 },
        breaker: { parked: 1_000_000 },
      },
      hooks: { onParked: hook, onUnparked: hook, onStuck: hook },
      metrics: { meter },
    }),
    AggregateTransportModule.forFeature(['foreign']),
  ],
  controllers: [Foreign],
})
class ForeignModule {}

const app = await NestFactory.create(ForeignModule, { logger: new BadLogger() });
const server = app.get(AggregateServer);
app.connectMicroservice({ strategy: server });
await app.init();
await app.startAllMicroservices();
isUp = true;

const status = app.get(AggregateTransportStatus);
const parked = app.get(ParkedAggregates);
const counts = () => server.partitions[0]!.counts;
const ended = (): number => counts().handled + counts().parked + counts().skipped;
const publisher = app.get<AggregatePublisher>(getAggregatePublisherToken('foreign'));

let published = first;

/** How many events each aggregate got that no code misbehaves for but the codec's and the hooks'. */
const fine = new Map<string, number>();

/** Fine events have numbers below zero. */
async function publishCases(): Promise<void> {
  for (let n = 0; n < cases; n++, published++) {
    await publisher.publish({ aggregateId: `bad ${published}`, type: 'Bad', payload: { n: published } });
    const aggregateId = `fine ${n % 5}`;
    const count = (fine.get(aggregateId) ?? 0) + 1;
    fine.set(aggregateId, count);
    await publisher.publish({ aggregateId, type: 'Fine', payload: { n: -count } });
  }
}

/** However many cases there are and however busy the machine is: one that hangs ends nothing for this long. */
const HANGS_AFTER_MS = 30_000;

/**
 * Waits until `events` have ended and all is settled in the confirmed position. Fails when nothing has ended for
 * {@link HANGS_AFTER_MS}.
 */
async function allEnded(events: number): Promise<void> {
  let [before, since] = [ended(), performance.now()];
  for (;;) {
    const { topics } = await status.snapshot();
    const partitions = topics.flatMap(({ groups }) => groups.flatMap((group) => group.partitions));
    if (ended() >= events && partitions.every(({ lag }) => lag === 0)) return;
    if (ended() !== before) [before, since] = [ended(), performance.now()];
    if (performance.now() - since > HANGS_AFTER_MS)
      throw new Error(`expected ${events} events to end, ${before} have; found ${JSON.stringify(topics)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

await publishCases();
await allEnded(2 * cases);
const letters = await parked.list({ topic: 'foreign' });
// The same borders, for letters: how they end is not the question, but that they do.
for (const { aggregateId } of letters.slice(0, 20)) await parked.retry({ topic: 'foreign', aggregateId });

// Nest's tools wrap messages from here on.
const start = counted(BORDER.start);
const end = counted(BORDER.end);
server.setOnProcessingEndHook(() => end() as never);
server.setOnProcessingStartHook((_id, _context, done) => {
  const first = start();
  void done();
  return first as never;
});
await publishCases();
await allEnded(4 * cases);

for (const [aggregateId, count] of fine) {
  const harm = order.harmTo(aggregateId, count);
  if (harm !== undefined) throw new Error(`expected all fine events in their order, found ${harm}`);
}
const { parked: gone, leasesLost } = counts();
process.stdout.write(
  `seed ${seed}, cases from ${first}: ${ended()} events ended, ${2 * cases} fine ones handled in order, ` +
    `${order.repeats} of them again after ${leasesLost} lost leases, ${gone} parked\n`,
);
await app.close();
