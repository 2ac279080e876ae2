// What a meter costs per event: lanes, decoding and outcome of 200 000 events in 1 000 aggregates, with a handler that does
// nothing, once without a meter and once with OpenTelemetry's. No server, no Nest, no commits: everything else would hide it.
// Run: npm run build && node dist/bench/meter.js [off|meter]; without a word, both by turns.
import { RecentAttempts } from '#library/consumer/recent-attempts.js';
import { ByteBudget } from '#library/consumer/byte-budget.js';
import { AloneTurns } from '#library/consumer/suspects/alone-turns.js';
import { Breaker } from '#library/consumer/breaker/breaker.js';
import { FailureLog } from '#library/consumer/handling/failure-log.js';
import { EventHandlers } from '#library/consumer/handling/event-handlers.js';
import { Lanes } from '#library/consumer/lanes/lanes.js';
import { Suspects } from '#library/consumer/suspects/suspects.js';
import { systemClock } from '#library/clock.js';
import { silentLog } from '#library/log.js';
import { jsonCodec } from '#library/message/codec.js';
import { Delivery } from '#library/message/delivery.js';
import { subjectOf } from '#library/message/subject.js';
import { Parking } from '#library/parking/parking.js';
import type { PartitionObserver } from '#library/consumer/partition-options.js';

const EVENTS = 200_000;
const AGGREGATES = 1_000;
const ROUNDS = 8;
const WARM_UP = 2;

type Mode = 'off' | 'meter';

async function observerOf(mode: Mode): Promise<PartitionObserver> {
  const silent = { parked: () => undefined, unparked: () => undefined, stuck: () => undefined };
  if (mode === 'off') return silent;
  const { MeterProvider } = await import('@opentelemetry/sdk-metrics');
  const { AggregationTemporality, InMemoryMetricExporter, PeriodicExportingMetricReader } =
    await import('@opentelemetry/sdk-metrics');
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const { Measures } = await import('#library/observe/measures.js');
  const meter = new MeterProvider({ readers: [reader] }).getMeter('bench');
  const measures = new Measures({ meter, handlerDuration: true }, silentLog);
  return { ...silent, ...measures.of({ topic: 'orders', group: 'bench', partition: 0 }) };
}

const bodies = Array.from({ length: AGGREGATES }, (_, index) =>
  jsonCodec.encode({
    event_id: `e${index}`,
    aggregate_id: `order-${index}`,
    event_type: 'Counted',
    event_version: 1,
    timestamp: '2026-01-01T00:00:00.000Z',
    payload: { n: index },
  }),
);

function eventOf(sequence: number): Delivery {
  const index = sequence % AGGREGATES;
  const token = `order-${index}`;
  return new Delivery({
    subject: subjectOf('orders', token),
    token,
    sequence,
    consumerSequence: sequence,
    body: bodies[index] ?? new Uint8Array(),
    readHeaders: () => ({}),
    readStoredAt: () => '',
  });
}

/** Handles all events; nanoseconds of processor time per event, so that others on the machine count for less. */
async function measure(observer: PartitionObserver): Promise<number> {
  const events = Array.from({ length: EVENTS }, (_, index) => eventOf(index + 1));
  const failurePolicy = {
    retry: { attempts: 3, firstDelayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0 },
    onExhausted: 'park',
  } as const;
  const handlers = new EventHandlers();
  handlers.add(undefined, { failurePolicy, timeoutMs: 60_000, handle: () => undefined });
  const never = (): never => {
    throw new Error('lanes without failures need no server');
  };
  const clock = systemClock;
  const name = 'bench';
  const writer = { commitNow: never };
  const survivors = { hasSurvived: never };
  const suspects = new Suspects({ writer, survivors, partition: 0, maxOpen: 256, bound: 10_000 });
  const port = { onMarker: () => undefined, list: never, close: () => undefined } as never;
  const owner = { epoch: 1, created: '', runOf: () => 0, mayWrite: () => true };
  const parking = new Parking({ name, clock, log: silentLog, port, owner, history: port });
  const shared = {
    breaker: new Breaker({ parked: 20, withinMs: 60_000, failedShare: 0.5, probeEveryMs: 30_000 }, 1),
    attempts: new RecentAttempts(clock),
    turns: new AloneTurns(clock),
    bytes: new ByteBudget(1e9),
    failures: new FailureLog('bench', clock, silentLog),
  };
  const confirmed = { created: '', hasRead: never, isListed: never, ticket: never, isConfirmed: never };
  const place = { ...confirmed, hasReadInherited: never, raiseRun: never };
  let left = EVENTS;
  let ended: () => void = () => undefined;
  const done = new Promise<void>((resolve) => (ended = resolve));
  const lanes = new Lanes(
    {
      others: { handlesElsewhere: () => false },
      ...{ name, suspects, shared, observer, clock, random: Math.random, log: silentLog },
      calls: { topic: 'orders', codec: jsonCodec, handlers },
      policy: { failurePolicy, onUnhandledType: 'ignore', concurrency: 256, maxAckPending: 10_000 },
      listener: {
        mayStart: () => true,
        isCurrent: () => true,
        settled: () => {
          if (--left === 0) ended();
        },
        caughtUp: () => undefined,
        halt: never,
      },
    },
    parking,
    place,
  );
  const before = process.cpuUsage();
  for (const event of events) lanes.push(event);
  await done;
  const { user, system } = process.cpuUsage(before);
  lanes.close();
  return ((user + system) * 1_000) / EVENTS;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

const asked = process.argv[2];
const modes: readonly Mode[] = asked === 'off' || asked === 'meter' ? [asked] : ['off', 'meter'];
const observers = new Map<Mode, PartitionObserver>();
for (const mode of modes) observers.set(mode, await observerOf(mode));
const times = new Map<Mode, number[]>(modes.map((mode) => [mode, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [mode, observer] of observers) {
    const took = await measure(observer);
    if (round >= WARM_UP) times.get(mode)?.push(took);
  }
}
for (const [mode, values] of times)
  console.log(`${mode} ${medianOf(values).toFixed(0)} ns per event, median of ${values.length}`);
