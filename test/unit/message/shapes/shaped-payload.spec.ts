import { expect, test } from '@jest/globals';
import { type as ark } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';
import { defineTopic, type } from '#library/message/shapes/define-topic.js';
import { payloadRefused } from '#library/message/shapes/shape-errors.js';
import { type Shaped, shapePayload } from '#library/message/shapes/shaped-payload.js';
import type { StandardSchemaV1 } from '#library/message/shapes/standard-schema.js';
import { type Shape, shapesOf, type Upcaster } from '#library/message/shapes/topic-shapes.js';

function shapeOf(
  schema: StandardSchemaV1 | ReturnType<typeof type>,
  upcast: Record<number, Upcaster> = {},
): Shape {
  const version = Object.keys(upcast).length + 1;
  return shapesOf(defineTopic('t', { T: { version, schema, upcast } }))!.find('T')!;
}

/** What an operator reads. */
function textOf(shaped: Shaped, version = 1): string {
  return payloadRefused({ type: 'T', version }, shaped.fault!).message;
}

const anything = type<unknown>();

test.each<[string, StandardSchemaV1, StandardSchemaV1]>([
  [
    'zod',
    z.object({ at: z.string().transform((at) => at.length), note: z.string().default('none') }),
    z.object({ at: z.string().refine((at) => Promise.resolve(at !== 'SECRET'), 'is taken') }),
  ],
  [
    'valibot',
    v.object({
      at: v.pipe(
        v.string(),
        v.transform((at) => at.length),
      ),
      note: v.optional(v.string(), 'none'),
    }),
    v.objectAsync({
      at: v.pipeAsync(
        v.string(),
        v.checkAsync((at) => Promise.resolve(at !== 'SECRET')),
      ),
    }),
  ],
  ['arktype', ark({ at: ark('string').pipe((at) => at.length), note: 'string = "none"' }), ark({ at: '3' })],
])('%s: gives the output, or the issues without a value', async (vendor, schema, later) => {
  const payload = { at: 'SECRET' };
  const shaped = shapePayload(shapeOf(schema), 1, payload);
  // At once: a payload that is checked costs no turn.
  expect(shaped).toEqual({ payload: { at: 6, note: 'none' } });
  expect(payload).toEqual({ at: 'SECRET' });
  const refused = shapePayload(shapeOf(schema), 1, { at: 31_337, note: ['SECRET'] }) as Shaped;
  expect(textOf(refused)).toMatch(/payload\.at: .*string.*; payload\.note: .*string/);
  expect(textOf(refused)).not.toMatch(/31337|SECRET/);
  const async = shapePayload(shapeOf(later), 1, payload);
  if (vendor !== 'arktype') expect(async).toBeInstanceOf(Promise);
  const text = textOf(await async);
  expect(text).toMatch(/payload\.at: /);
  expect(text).not.toContain('SECRET');
});

test.each<[string, StandardSchemaV1]>([
  [
    'zod',
    z.object({
      kind: z.enum(['a', 'b']),
      n: z.number().min(0),
      own: z.string().refine(() => false, { error: ({ input }) => `must not be ${String(input)}` }),
      list: z.array(z.number()),
    }),
  ],
  [
    'valibot',
    v.object({
      kind: v.picklist(['a', 'b']),
      n: v.pipe(v.number(), v.minValue(0)),
      own: v.pipe(v.string(), v.email()),
      list: v.array(v.number()),
    }),
  ],
  ['arktype', ark({ kind: "'a'|'b'", n: 'number>=0', own: 'string>10 & string.digits', list: 'number[]' })],
])('%s: no rule puts a value into the text', (_vendor, schema) => {
  const payload = { kind: 'SECRET1', n: -31_337, own: 'SECRET2', list: [1, 'SECRET3\nSECRET4'] };
  const shaped = shapePayload(shapeOf(schema), 1, payload) as Shaped;
  const text = textOf(shaped);
  for (const place of ['kind', 'n', 'own', 'list[1]']) expect(text).toContain(`payload.${place}: `);
  expect(text).not.toMatch(/SECRET|31337/);
});

test('shows few issues of many, short ones of long, and no key that may be data', () => {
  const issues = Array.from({ length: 100 }, () => ({
    message: 'x'.repeat(5_000),
    path: [{ key: 'a b' }, 3],
  }));
  const schema = foreign(() => ({ issues }));
  const { fault } = shapePayload(shapeOf(schema), 1, {}) as Shaped;
  expect(fault).toMatchObject({ kind: 'issues' });
  const text = textOf({ fault: fault! });
  expect(text.length).toBeLessThan(6_000);
  expect(text).toMatch(/and 80 more/);
  expect(text).toContain('payload[…][3]: xxx');
});

test('upcasters run in order from the stored version on, and the schema sees what they made', async () => {
  const steps: string[] = [];
  const upcast = {
    1: (old: string) => (steps.push(`1:${old}`), Promise.resolve(`${old}b`)),
    2: (old: string) => (steps.push(`2:${old}`), `${old}c`),
    3: (old: string) => (steps.push(`3:${old}`), `${old}d`),
  };
  const shape = shapeOf(
    z.string().transform((text) => `${text}!`),
    upcast,
  );
  expect(await shapePayload(shape, 1, 'a')).toEqual({ payload: 'abcd!' });
  expect(steps).toEqual(['1:a', '2:ab', '3:abc']);
  expect(shapePayload(shape, 2, 'a')).toEqual({ payload: 'acd!' });
  expect(shapePayload(shape, 4, 'a')).toEqual({ payload: 'a!' });
});

test.each([0, -1, 1.5, 3, Number.NaN])('version %p of two is none', (version) => {
  const shaped = shapePayload(shapeOf(anything, { 1: (old: unknown) => old }), version, {});
  expect(textOf(shaped as Shaped, version)).toMatch(/that there is no such version/);
});

test.each<[string, Upcaster]>([
  [
    'throws',
    () => {
      throw new Error('no line');
    },
  ],
  ['rejects', () => Promise.reject(new Error('no line'))],
])('an upcaster that %s is named with type, version and step', async (_how, broken) => {
  const shape = shapeOf(anything, { 1: (old: unknown) => old, 2: broken });
  const text = textOf(await shapePayload(shape, 1, {}));
  expect(text).toMatch(/event type "T", version 1, .* upcast\[2\] \(version 2 to 3\) throws Error: no line/);
});

test.each<[string, () => unknown, RegExp]>([
  [
    'throws',
    () => {
      throw new Error('away');
    },
    /its schema throws Error: away/,
  ],
  ['rejects', () => Promise.reject(new Error('away')), /its schema throws Error: away/],
  ['answers nothing', () => undefined, /its schema answers a value of type undefined/],
  ['answers nothing later', () => Promise.resolve(null), /its schema answers null/],
  ['answers one issue', () => ({ issues: 'bad' }), /issues that are no list/],
  ['answers a broken issue', () => ({ issues: [null] }), /its schema throws TypeError/],
  [
    'throws what cannot be read',
    () => {
      throw new Proxy(new Error('x'), { get: () => { throw new Error('y'); } }); // prettier-ignore
    },
    /cannot be read/,
  ],
])('a schema that %s is a fault, and nothing is thrown', async (_how, validate, text) => {
  expect(textOf(await shapePayload(shapeOf(foreign(validate)), 1, {}))).toMatch(text);
});

function foreign(validate: () => unknown): StandardSchemaV1 {
  return { '~standard': { version: 1, vendor: 'own', validate: validate as never } };
}
