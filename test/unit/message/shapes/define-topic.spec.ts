import { expect, test } from '@jest/globals';
import { defineTopic, type } from '#library/message/shapes/define-topic.js';
import type { TopicDefinition } from '#library/message/shapes/shape-types.js';
import { shapesOf } from '#library/message/shapes/topic-shapes.js';
import { z } from 'zod';
import { errorOf } from '../code-of.js';

const schema = z.object({ cents: z.number() });
const up = (old: unknown): unknown => old;

const define = (definition: unknown): unknown => defineTopic('orders', definition as TopicDefinition);

test('a topic with shapes is its name and nothing else that could be listed', () => {
  const topic = defineTopic('orders', { Paid: { version: 1, schema } });
  expect(JSON.stringify(topic)).toBe('{"name":"orders"}');
  expect(Object.keys(topic)).toEqual(['name']);
  expect(Object.isFrozen(topic)).toBe(true);
});

test('shapesOf tells types, versions, schemas and upcasters in the order of the definition', () => {
  const definition = {
    Placed: { version: 3, schema, upcast: { 2: up, 1: up } },
    Counted: { version: 1, schema: type<number>() },
    Paid: type<{ cents: number }>(),
  };
  const shapes = shapesOf(defineTopic('orders', definition))!;
  expect(shapes.topic).toBe('orders');
  expect(shapes.isChecked).toBe(true);
  expect(shapes.types.map((one) => ({ ...one, upcast: [...one.upcast.keys()].sort() }))).toEqual([
    { type: 'Placed', version: 3, schema, upcast: [1, 2] },
    { type: 'Counted', version: 1, schema: undefined, upcast: [] },
    { type: 'Paid', version: undefined, schema: undefined, upcast: [] },
  ]);
  expect(shapes.find('Paid')).toBeUndefined();
  expect(shapes.find('toString')).toBeUndefined();
  // What the caller does to its object later changes nothing.
  delete (definition.Placed.upcast as Partial<typeof definition.Placed.upcast>)[1];
  expect(shapes.find('Placed')!.upcast.has(1)).toBe(true);
});

test('names, and topics defined by types alone, have no shapes or none that cost anything', () => {
  expect(shapesOf('orders')).toBeUndefined();
  expect(shapesOf(defineTopic<{ Paid: number }>('orders'))).toBeUndefined();
  expect(shapesOf(defineTopic('orders', { Paid: type<number>() }))!.isChecked).toBe(false);
});

test.each<[string, unknown, RegExp]>([
  [
    'an unknown key',
    { Paid: { version: 1, schema, upcasts: {} } },
    /the keys version, schema, upcast, found "upcasts"/,
  ],
  [
    'no version',
    { Paid: { schema } },
    /version of "Paid" .* whole number from 1 to 1000, found a value of type undefined/,
  ],
  ['version 0', { Paid: { version: 0, schema } }, /found 0;/],
  ['a broken version', { Paid: { version: 1.5, schema } }, /found 1.5;/],
  ['a version beyond all counting', { Paid: { version: 20_261_130, schema } }, /found 20261130;/],
  ['a version in words', { Paid: { version: '2', schema } }, /found a value of type string;/],
  ['a gap in the middle', { Paid: { version: 4, schema, upcast: { 1: up, 3: up } } }, /none from 2 to 3;/],
  ['a gap at the start', { Paid: { version: 3, schema, upcast: { 2: up } } }, /none from 1 to 2;/],
  ['a gap at the end', { Paid: { version: 3, schema, upcast: { 1: up } } }, /none from 2 to 3;/],
  ['no upcasters', { Paid: { version: 2, schema } }, /none from 1 to 2;/],
  [
    'an upcaster at the version',
    { Paid: { version: 2, schema, upcast: { 1: up, 2: up } } },
    /below its version 2, found "2"/,
  ],
  ['an upcaster above the version', { Paid: { version: 1, schema, upcast: { 7: up } } }, /found "7"/],
  ['an upcaster from 0', { Paid: { version: 2, schema, upcast: { 0: up, 1: up } } }, /found "0"/],
  ['an upcaster by name', { Paid: { version: 2, schema, upcast: { one: up } } }, /found "one"/],
  [
    'an upcaster that is none',
    { Paid: { version: 2, schema, upcast: { 1: 5 } } },
    /upcast\[1\] .* a function, found a value of type number/,
  ],
  [
    'upcasters in a list',
    { Paid: { version: 2, schema, upcast: [up] } },
    /an object of functions by version/,
  ],
  ['no schema', { Paid: { version: 1 } }, /schema of "Paid" .* a Standard Schema, or type<T>\(\), found/],
  ['a schema of no standard', { Paid: { version: 1, schema: { parse: up } } }, /found an object; use zod/],
  ['a schema alone', { Paid: schema }, /found a schema alone; write \{ version: 1, schema \}/],
  ['no shape', { Paid: null }, /expected "Paid" of defineTopic\("orders"\) to be a shape, found null/],
  ['no definition', [], /a shape for each event type/],
])('refuses %s', (_name, definition, text) => {
  const error = errorOf(() => define(definition));
  expect(error.code).toBe('OPTIONS_INVALID');
  expect(error.message).toMatch(text);
});
