import { describe, expect, test } from '@jest/globals';
import { trace, ROOT_CONTEXT } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import fc from 'fast-check';
import { isUnsampledIn, namedSpanIn, traceIdIn, traceparentIn, traceparentOf } from '#library/traceparent.js';

const ID = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const block = (...lines: string[]): Uint8Array =>
  Buffer.from(['NATS/1.0', 'Nats-Msg-Id: a:1', ...lines, '', ''].join('\r\n'), 'latin1');

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(...Array.from({ length: 16 }, (_, digit) => digit.toString(16))), {
      minLength: length,
      maxLength: length,
    })
    .map((d) => d.join(''));

describe('a traceparent', () => {
  test('is written and read', () => {
    const named = { traceId: ID, spanId: SPAN, traceFlags: 1 };
    expect(traceparentOf(named)).toBe(`00-${ID}-${SPAN}-01`);
    expect(namedSpanIn(traceparentOf(named))).toEqual(named);
    expect([traceIdIn('nonsense'), traceIdIn(undefined), traceIdIn(7)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('is found under any case of its name', () => {
    expect(traceparentIn({ other: 'x', Traceparent: 'y' })).toBe('y');
    expect(traceparentIn({ traceparents: 'x' })).toBeUndefined();
  });
});

describe('a header block tells that its trace is not recorded', () => {
  test.each([
    ['not recorded', [`traceparent: 00-${ID}-${SPAN}-00`], true],
    [
      'another case, other headers around it',
      ['tenant: t', `TraceParent: 00-${ID}-${SPAN}-02`, 'x: y'],
      true,
    ],
    ['without a space', [`traceparent:00-${ID}-${SPAN}-00`], true],
    ['recorded', [`traceparent: 00-${ID}-${SPAN}-01`], false],
    ['recorded, with another flag', [`traceparent: 00-${ID}-${SPAN}-03`], false],
    ['none', [], false],
    ['another name', [`traceparents: 00-${ID}-${SPAN}-00`], false],
    ['a later version', [`traceparent: 01-${ID}-${SPAN}-00`], false],
    ['no trace id', [`traceparent: 00-${'0'.repeat(32)}-${SPAN}-00`], false],
    ['no span id', [`traceparent: 00-${ID}-${'0'.repeat(16)}-00`], false],
    ['upper case', [`traceparent: 00-${ID.toUpperCase()}-${SPAN}-00`], false],
    ['cut', [`traceparent: 00-${ID}-${SPAN}-0`], false],
    ['more after it', [`traceparent: 00-${ID}-${SPAN}-00-x`], false],
  ])('%s', (_name, lines, isUnsampled) => {
    expect(isUnsampledIn(block(...lines))).toBe(isUnsampled);
  });

  test('only where the propagator of the SDK finds the same', () => {
    const propagator = new W3CTraceContextPropagator();
    const field = fc.oneof(
      { weight: 5, arbitrary: hex(2) },
      { weight: 1, arbitrary: fc.string({ maxLength: 3 }) },
    );
    fc.assert(
      fc.property(field, hex(32), hex(16), field, (version, traceId, spanId, flags) => {
        const traceparent = `${version}-${traceId}-${spanId}-${flags}`;
        if (!/^[ -~]*$/.test(traceparent)) return;
        if (!isUnsampledIn(block(`traceparent: ${traceparent}`))) return;
        const carrier = { traceparent };
        const found = propagator.extract(ROOT_CONTEXT, carrier, {
          keys: Object.keys,
          get: () => traceparent,
        });
        expect((trace.getSpanContext(found)?.traceFlags ?? 1) & 1).toBe(0);
      }),
    );
  });

  test('bytes at random are never misread, nor is anything read beyond them', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => !isUnsampledIn(bytes)));
  });
});
