import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ConsoleLogger, Controller, type INestApplication } from '@nestjs/common';
import { SpanStatusCode } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import {
  AggregateHandler,
  AggregateHealthIndicator,
  AggregateTransportStatus,
  type HealthProblem,
  type LineLogger,
  type LoggedLine,
} from 'nestjs-aggregate-transport';
import { AggregateBoardModule } from 'nestjs-aggregate-transport-board';
import { publisherOf, startApp } from '../support/app.js';
import { runCommand } from '../support/command.js';
import { eventually } from '../support/eventually.js';
import { readJsonLines } from '../support/json-lines.js';
import { serverForAll } from '../support/server.js';
import { Spans } from '../support/spans.js';

// One service in which three aggregates stand still, each in its own way. Every place that an operator looks at must
// name them. docs/proof/seen.md tells which of these tests turns red when one of the places is unplugged.

const server = serverForAll();
const TIMEOUT_MS = 150;
const GROUP = { topic: 'orders', group: 'billing' };

class CardRefusedError extends Error {
  override readonly name = 'CardRefusedError';
  readonly code = 'E_CARD';
}
class LedgerLockedError extends Error {
  override readonly name = 'LedgerLockedError';
}

let release: () => void = () => undefined;
const hung = new Promise<void>((resolve) => (release = resolve));

@Controller()
class Billing {
  @AggregateHandler('orders', { type: 'Refused', retry: { attempts: 2, firstDelayMs: 1, jitter: 0 } })
  refuse(): void {
    throw new CardRefusedError('the card has expired');
  }

  @AggregateHandler('orders', { type: 'Locked', retry: { attempts: 1 }, onExhausted: 'block' })
  wait(): void {
    throw new LedgerLockedError('the ledger is locked');
  }

  @AggregateHandler('orders', { type: 'Hung', timeoutMs: TIMEOUT_MS })
  hang(): Promise<void> {
    return hung;
  }
}

/** What an application writes to have the fields. */
class FieldLog extends ConsoleLogger implements LineLogger {
  readonly said: LoggedLine[] = [];

  writeLine(line: LoggedLine): void {
    this.said.push(line);
  }

  of(event: string): object | undefined {
    return this.said.find((line) => line.event === event)?.fields;
  }
}

const log = new FieldLog({ logLevels: [] });
const exporter = new PrometheusExporter({ preventServerStart: true });
const provider = new MeterProvider({ readers: [exporter] });
let spans: Spans;
let app: INestApplication;

beforeAll(async () => {
  spans = new Spans();
  app = await startApp({
    options: {
      servers: server().url,
      group: 'billing',
      // One partition: what is told of one aggregate may be mistaken for another's.
      topics: { orders: { consume: { partitions: 1 } } },
      tracing: { tracer: spans.tracer, aggregateId: true },
      metrics: { meter: provider.getMeter('test') },
      shutdown: { drainMs: 200 },
    },
    publishers: ['orders'],
    controllers: [Billing],
    modules: [AggregateBoardModule.forRoot({ path: '/board' })],
    logger: log,
  });
  await app.listen(0, '127.0.0.1');
  const publisher = publisherOf(app, 'orders');
  for (const [aggregateId, type] of [
    ['refused-1', 'Refused'],
    ['locked-1', 'Locked'],
    ['hung-1', 'Hung'],
  ] as const)
    for (let n = 0; n < 2; n++)
      await publisher.publish({ aggregateId, type, payload: { iban: 'IBAN 4711' } });
  // By the status in memory, which is none of the places that are looked at below.
  await eventually('all three to stand still', async () => {
    const [{ groups } = { groups: [] }] = (await app.get(AggregateTransportStatus).snapshot()).topics;
    const { slowest, partitions } = groups[0]!;
    const { parked, filed } = partitions[0]!.counts;
    return (
      parked + filed === 2 &&
      slowest.some(({ isStuck }) => isStuck) &&
      slowest.some(({ lastFailure }) => lastFailure?.outcome === 'block')
    );
  });
}, 30_000);

afterAll(async () => {
  release();
  await app.close();
  await provider.shutdown();
  await spans.close();
});

/** The newest state that a page of the board is told. */
async function shown(query: string): Promise<Record<string, unknown>> {
  const stop = new AbortController();
  const { body, status } = await fetch(`${await app.getUrl()}/board/live?${query}`, { signal: stop.signal });
  expect(status).toBe(200);
  try {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of body!) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      const [, view] = /event: view\ndata: (.*)\n\n/.exec(text) ?? [];
      if (view !== undefined) return JSON.parse(view) as Record<string, unknown>;
    }
    throw new Error(`expected a view from the board, found the end of its stream after ${text}`);
  } finally {
    stop.abort();
  }
}

/** What `--json` prints, line by line. */
async function printed(...args: string[]): Promise<Readonly<Record<string, unknown>>[]> {
  const { code, output, errors } = await runCommand({ args: [...args, '--json', '--servers', server().url] });
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
  return readJsonLines(output);
}

const byId = <T extends { aggregateId?: unknown }>(found: readonly T[], id: string): T | undefined =>
  found.find(({ aggregateId }) => aggregateId === id);

/** An age in milliseconds that can be true: of a hung one since before it was called stuck. */
function expectAge(ms: unknown, atLeast = 1): void {
  expect(ms).toBeGreaterThanOrEqual(atLeast);
  expect(ms).toBeLessThan(60_000);
}

test('the board shows each by name, age and error, worst first, and its own page says the same', async () => {
  const { troubles } = (await shown('view=overview')) as { troubles: Record<string, unknown>[] };
  expect(troubles).toMatchObject([
    { ...GROUP, aggregateId: 'hung-1', kind: 'stuck', partition: 0, sequence: 5, type: 'Hung', waiting: 2 },
    {
      aggregateId: 'locked-1',
      kind: 'blocked',
      error: 'LedgerLockedError: the ledger is locked',
      waiting: 2,
    },
    {
      aggregateId: 'refused-1',
      kind: 'parked',
      error: expect.stringContaining('card has expired'),
      waiting: 2,
    },
  ]);
  expectAge(troubles[0]?.['forMs'], 2 * TIMEOUT_MS);
  for (const { forMs } of troubles) expectAge(forMs);
  const page = await shown('view=aggregate&topic=orders&id=locked-1');
  expect(page['places']).toMatchObject([
    { group: 'billing', trouble: { kind: 'blocked', error: 'LedgerLockedError: the ledger is locked' } },
  ]);
  expect(JSON.stringify([troubles, page])).not.toContain('4711');
});

test('a trace has the failed attempts, with the error and the name', async () => {
  const attempts = await spans.ended('process orders', 3);
  const of = (id: string) =>
    attempts.filter(({ attributes }) => attributes['aggregate_transport.aggregate.id'] === id);
  expect(of('refused-1').map(({ attributes }) => attributes['aggregate_transport.outcome'])).toEqual([
    'retried',
    'parked',
  ]);
  for (const [id, type, text] of [
    ['refused-1', 'CardRefusedError', 'the card has expired'],
    ['locked-1', 'LedgerLockedError', 'the ledger is locked'],
  ] as const)
    expect(of(id)[0]).toMatchObject({
      status: { code: SpanStatusCode.ERROR, message: expect.stringContaining(text) },
      events: [{ name: 'exception', attributes: { 'exception.type': type } }],
    });
  expect(of('locked-1')[0]?.attributes['aggregate_transport.outcome']).toBe('blocked');
  // A span is told when it ends, so of the hung one only what sent it is seen, and how long it hangs is not.
  expect(of('hung-1')).toEqual([]);
  expect(
    spans
      .named('send orders')
      .filter(({ attributes }) => attributes['aggregate_transport.aggregate.id'] === 'hung-1'),
  ).toHaveLength(2);
});

test('a metric counts each by its code', async () => {
  const text = new PrometheusSerializer().serialize((await exporter.collect()).resourceMetrics);
  for (const code of ['parked', 'blocked', 'stuck'])
    expect(text).toMatch(
      new RegExp(`^aggregate_transport_problems\\{.*problem_code="${code}".*\\} 1\\b`, 'm'),
    );
  expect(text).toMatch(/^aggregate_transport_aggregates_parked_current\{.*\} 1\b/m);
  expect(text).toMatch(/^aggregate_transport_attempts_blocked_total\{.*\} [1-9]/m);
  expect(text).toMatch(/^aggregate_transport_handlers_running\{.*\} [1-9]/m);
});

test('health says what is wrong with each, since when, and names those that stand in memory', async () => {
  const { events } = await app.get(AggregateHealthIndicator).isHealthy('events');
  expect(events.status).toBe('down');
  const found = (code: string): HealthProblem | undefined =>
    events.problems.find((problem) => problem.code === code);
  expect(found('stuck')).toMatchObject({ ...GROUP, partition: 0 });
  expect(found('stuck')?.why).toContain('aggregate "hung-1", sequence 5');
  expect(found('blocked')?.why).toContain('aggregate "locked-1", sequence 3');
  expect(found('parked')?.why).toContain('1 aggregate is parked');
  for (const { since } of events.problems) expect(Date.now() - since).toBeLessThan(60_000);
});

test('the log has a line for each, with name, age and error as fields', async () => {
  await eventually('a line of the stuck handler', () => log.of('handler-stuck') !== undefined);
  const where = { ...GROUP, partition: 0, since: expect.any(String), ageMs: expect.any(Number) };
  expect(log.of('aggregate-parked')).toMatchObject({
    ...where,
    ...{ aggregate: 'refused-1', attempt: 2, reason: 'EXHAUSTED', errorName: 'CardRefusedError' },
    ...{ errorCode: 'E_CARD', why: expect.stringContaining('the card has expired') },
  });
  expect(log.of('aggregate-blocked')).toMatchObject({
    ...where,
    ...{ aggregate: 'locked-1', attempt: 1, errorName: 'LedgerLockedError' },
    why: expect.stringContaining('the ledger is locked'),
  });
  expect(log.of('handler-stuck')).toMatchObject({
    ...where,
    ...{ aggregate: 'hung-1', sequence: 5, limitMs: TIMEOUT_MS, errorCode: expect.any(String) },
  });
  expectAge((log.of('handler-stuck') as { ageMs: number }).ageMs, 2 * TIMEOUT_MS);
});

test('the command line prints each by name, age and error', async () => {
  const [asked, parked, status] = await Promise.all([
    printed('group', 'ask', 'orders', 'billing'),
    printed('parked', 'list'),
    printed('status', '--topic', 'orders'),
  ]);
  const [live] = asked as unknown as [{ at: number; trouble: object; worst: Record<string, unknown>[] }];
  expect(live).toMatchObject({ isComplete: true, trouble: { stuck: 1, blocked: 1 } });
  expect(byId(live.worst, 'hung-1')).toMatchObject({ state: 'stuck', isRunning: true, queued: 2 });
  expect(byId(live.worst, 'locked-1')).toMatchObject({
    state: 'blocked',
    error: { stage: 'handler', name: 'LedgerLockedError', text: 'the ledger is locked' },
  });
  expectAge(live.at - Number(byId(live.worst, 'hung-1')?.['since']), 2 * TIMEOUT_MS);
  expectAge(live.at - Number(byId(live.worst, 'locked-1')?.['since']));
  const refused = parked.find(({ kind }) => kind === 'parked');
  expect(refused).toMatchObject({ ...GROUP, aggregateId: 'refused-1', reason: 'EXHAUSTED', letters: 2 });
  expect(refused?.['error']).toContain('the card has expired');
  expect(refused?.['traceId']).toMatch(/^[0-9a-f]{32}$/);
  expectAge(Date.now() - Date.parse(String(refused?.['since'])));
  const [partition] = status.filter(({ kind }) => kind === 'partition');
  expect(partition).toMatchObject({ ...GROUP, lease: 'held', parked: 1, letters: 2 });
  // More until the position is written.
  expect(partition?.['lag']).toBeGreaterThanOrEqual(4);
  expectAge(partition?.['oldestUnsettledMs'], 2 * TIMEOUT_MS);
});
