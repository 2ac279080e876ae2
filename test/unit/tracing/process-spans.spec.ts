import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { context, createContextKey, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type { Failure } from '#library/consumer/handling/outcome.js';
import type { Delivery } from '#library/message/delivery.js';
import { ProcessSpans, type ReplayView } from '#library/tracing/process-spans.js';
import { Tracing } from '#library/tracing/tracing.js';
import { recordedLog } from '../../support/recorded-log.js';
import { Spans } from '../../support/spans.js';
import {
  eventOf,
  failure,
  fixture,
  type FixtureOptions,
  policy,
} from '../consumer/handling/attempts-fixture.js';

// The real SDK, and the real decisions about attempts, over memory ports.

const spans = new Spans();
afterEach(() => spans.reset());
afterAll(() => spans.close());

const CREATED = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const NEVER_RESET: ReplayView = { replayRun: 0, replayUntil: 0, runOf: () => 0 };

function processSpans(view = NEVER_RESET): ProcessSpans {
  const api = { ROOT_CONTEXT, context, trace, propagation, createContextKey };
  const tracing = new Tracing({ tracer: spans.tracer, api, log: recordedLog() });
  return new ProcessSpans(tracing, { topic: 'orders', group: 'billing', partition: 0 }, view);
}

/** An event that was sent within a sampled trace. */
function sentEvent(sequence = 7): Delivery {
  const event = eventOf('Placed', sequence);
  const { traceId, spanId } = CREATED;
  event.origin.readHeaders = () => ({ traceparent: `00-${traceId}-${spanId}-01` });
  return event;
}

/** One attempt, with a span as the handler's side begins it. */
async function attempt(result: Failure | undefined, options: FixtureOptions): Promise<void> {
  const of = processSpans();
  const handle = (event: Delivery): Failure | undefined => {
    of.begin(event);
    return result;
  };
  const { attempts } = fixture({ ...options, spans: of, handle });
  if (options.maxParked === 1) {
    // Another aggregate takes the only place.
    await attempts.run(eventOf('Placed', 1, 'a'));
    spans.reset();
  }
  await attempts.run(sentEvent());
}

describe('the span of an attempt tells its outcome', () => {
  const parked = { ...policy, onExhausted: 'park' } as const;
  const halted = { ...policy, onExhausted: 'halt' } as const;

  test.each<[string, Failure | undefined, FixtureOptions]>([
    ['handled', undefined, {}],
    ['retried', failure(), {}],
    ['blocked', failure('handler', true), {}],
    ['parked', failure('handler', true), { handlerPolicy: parked }],
    ['kept', failure('handler', true), { handlerPolicy: parked, maxParked: 1 }],
    ['halted', failure('handler', true), { handlerPolicy: halted }],
    ['skipped', failure('handler', true), { handlerPolicy: { ...policy, onExhausted: 'skip' } }],
    ['lost', undefined, { isCurrent: () => false }],
    ['lost', failure(), { isCurrent: () => false }],
  ])('%s', async (outcome, result, options) => {
    await attempt(result, options);
    const [span, ...others] = spans.all;
    expect([span?.attributes['aggregate_transport.outcome'], others]).toEqual([outcome, []]);
    expect(span?.parentSpanContext?.spanId).toBe(CREATED.spanId);
    expect(span?.events.map(({ name }) => name)).toEqual(result === undefined ? [] : ['exception']);
  });
});

describe('after a reset of its group', () => {
  const view = { replayRun: 1, replayUntil: 10, runOf: () => 1 };
  const handledIn = (given: ReplayView, sequence: number) => {
    const of = processSpans(given);
    const event = sentEvent(sequence);
    event.begin(0);
    of.begin(event);
    of.ended(event, 'handled', undefined);
    return spans.all.at(-1);
  };

  test('an event that is handled again is a trace of its own, which links to the span that sent it', () => {
    const span = handledIn(view, 7);
    expect(span?.attributes).toMatchObject({ 'aggregate_transport.replay': true });
    expect(span?.parentSpanContext).toBeUndefined();
    expect(span?.links.map((link) => link.context.spanId)).toEqual([CREATED.spanId]);
    expect(span?.spanContext().traceId).not.toBe(CREATED.traceId);
  });

  test('an event that the group had not reached continues the trace of its sender', () => {
    for (const span of [handledIn(view, 11), handledIn({ ...view, runOf: () => 0 }, 7)]) {
      expect(span?.attributes).not.toHaveProperty('aggregate_transport.replay');
      expect(span?.spanContext().traceId).toBe(CREATED.traceId);
    }
  });
});
