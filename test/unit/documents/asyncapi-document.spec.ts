import { describe, expect, test } from '@jest/globals';
import { Parser } from '@asyncapi/parser';
import { type } from 'arktype';
import fc from 'fast-check';
import * as v from 'valibot';
import * as z from 'zod';
import type { ApplicationFacts, BodyFormat, TopicFacts } from '#library/documents/application-facts.js';
import { asyncApiDocument } from '#library/documents/asyncapi-document.js';
import { jsonSchemaOf } from '#library/documents/json-schemas.js';

const TITLE = { title: 'shop', version: '1.2.3' };
const load = (name: string): Promise<unknown> => import(name);

function topic(name: string, more: Partial<TopicFacts> = {}): TopicFacts {
  return { name, types: [], isComplete: false, isPublished: false, groups: [], format: 'json', ...more };
}

function documentOf(topics: readonly TopicFacts[], hasOptions = true) {
  return asyncApiDocument({ topics, hasOptions }, TITLE, load);
}

/** The severity of an error. */
const ERROR = 0;

/** What the official parser finds wrong. Hints and advice of its style rules do not count. */
async function faultsOf(document: unknown): Promise<string[]> {
  const found = await new Parser().validate(JSON.stringify(document));
  return found
    .filter(({ severity }) => (severity as number) === ERROR)
    .map(({ message, path }) => `${path.join('.')}: ${message}`);
}

interface Category {
  name: string;
  children: Category[];
}
const category: z.ZodType<Category> = z.object({
  name: z.string(),
  get children() {
    return z.array(category);
  },
});

const orders = topic('orders', {
  isPublished: true,
  isComplete: true,
  types: [
    { type: 'OrderPlaced', version: 2, schema: z.object({ id: z.string(), at: z.date().optional() }) },
    { type: 'OrderPaid', version: 1, schema: type({ amount: 'number' }) },
    { type: 'Order moved/…', version: 1, schema: v.object({ to: v.string() }) },
    { type: 'Order.moved.x', version: undefined, schema: undefined },
    { type: 'Sorted', version: 1, schema: category },
  ],
  groups: [
    {
      group: 'billing',
      types: ['OrderPaid', 'OrderPlaced'],
      others: false,
      handlers: ['B.paid', 'B.placed'],
    },
    { group: 'audit', types: [], others: true, handlers: ['A.all'] },
  ],
});

test('the official parser accepts topics with and without definition, publishers, groups and options', async () => {
  const topics = [orders, topic('bare'), topic('sent', { isPublished: true })];
  const handled = { group: undefined, types: ['T'], others: true, handlers: ['C.m'] };
  const types = [{ type: 'T', version: undefined, schema: undefined }];
  const document = await documentOf([...topics, topic('handled', { types, groups: [handled] })], false);
  expect(await faultsOf(document)).toEqual([]);
  expect(Object.keys(document.channels)).toEqual(['bare', 'handled', 'orders', 'sent']);
  expect(Object.keys(document.operations)).toEqual([
    'receive_handled_default',
    'send_orders',
    'receive_orders_audit',
    'receive_orders_billing',
    'send_sent',
  ]);
});

test('the official parser accepts topics of every body format', async () => {
  const formats: BodyFormat[] = ['json', 'cloudevents', 'cloudevents-binary', 'other'];
  const topics = formats.map((format) => ({ ...orders, name: `orders-${format}`, format }));
  expect(await faultsOf(await documentOf(topics))).toEqual([]);
});

test('a channel is a subject pattern, and a message is the envelope with the payload of its type', async () => {
  const document = (await documentOf([orders])) as unknown as {
    channels: Record<
      string,
      { address: string; messages: Record<string, { name: string; payload: unknown }> }
    >;
    operations: Record<string, { messages: { $ref: string }[] }>;
    components: { schemas: Record<string, unknown> };
  };
  const channel = document.channels['orders']!;
  expect(channel.address).toBe('orders.{b7}.{b6}.{b5}.{b4}.{b3}.{b2}.{b1}.{b0}.{token}');
  expect(
    Object.values(channel.messages)
      .map(({ name }) => name)
      .sort(),
  ).toEqual(orders.types.map((one) => one.type).sort());
  expect(channel.messages['OrderPaid']!.payload).toMatchObject({
    properties: {
      event_type: { const: 'OrderPaid' },
      payload: { $ref: '#/components/schemas/orders.OrderPaid' },
    },
  });
  expect(document.operations['receive_orders_billing']!.messages).toEqual([
    { $ref: '#/channels/orders/messages/OrderPaid' },
    { $ref: '#/channels/orders/messages/OrderPlaced' },
  ]);
  expect(document.components.schemas['orders.OrderPlaced']).toMatchObject({
    type: 'object',
    properties: { id: { type: 'string' } },
  });
});

test('the same facts in any order give the same text', async () => {
  const groups = orders.groups;
  const text = JSON.stringify(await documentOf([orders, topic('a'), topic('b')]));
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([orders, topic('a'), topic('b')], { minLength: 3 }),
      fc.shuffledSubarray([...orders.types], { minLength: orders.types.length }),
      fc.shuffledSubarray([...groups], { minLength: groups.length }),
      async (topics, types, inGroups) => {
        const shuffled = topics.map((one) =>
          one.name === 'orders' ? { ...one, types, groups: inGroups } : one,
        );
        expect(JSON.stringify(await documentOf(shuffled))).toBe(text);
      },
    ),
    { numRuns: 20 },
  );
});

test('event types of any text get keys of their own', async () => {
  const names = ['a b', 'a_b', 'a/b', 'ü', 'é', 'AnyEvent', '__proto__', 'constructor'];
  const types = names.map((one) => ({ type: one, version: undefined, schema: undefined }));
  const group = { group: 'g', types: names, others: true, handlers: ['C.m'] };
  const document = await documentOf([
    topic('t', { types, groups: [group] }),
    topic('__proto__', { isPublished: true }),
  ]);
  const { messages } = document.channels['t'] as { messages: object };
  expect(Object.keys(messages)).toHaveLength(names.length + 1);
  expect(await faultsOf(document)).toEqual([]);
});

describe('the JSON Schema of a payload', () => {
  const PLACE = '#/components/schemas/x';

  test('is what goes over the wire: the input', async () => {
    const schema = z.object({ amount: z.string().transform(Number) });
    expect(await jsonSchemaOf(schema, load, PLACE)).toMatchObject({
      properties: { amount: { type: 'string' } },
    });
  });

  test('of zod leaves open what JSON Schema cannot say', async () => {
    const schema = z.object({ at: z.date(), id: z.string() });
    expect(await jsonSchemaOf(schema, load, PLACE)).toMatchObject({
      properties: { at: {}, id: { type: 'string' } },
    });
  });

  test('refers to itself where it stands in the document', async () => {
    const text = JSON.stringify(await jsonSchemaOf(category, load, PLACE));
    const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, one]) => one);
    expect(references.length).toBeGreaterThan(0);
    for (const one of references) expect(one).toMatch(/^#\/components\/schemas\/x(\/|$)/);
  });

  test("of valibot is that of valibot's own package, if the application has it", async () => {
    const schema = v.object({ a: v.string() });
    const asked: unknown[] = [];
    const toJsonSchema = (...args: unknown[]): object => {
      asked.push(args);
      return { $schema: 'x', type: 'object' };
    };
    const having = (name: string): Promise<unknown> =>
      name === '@valibot/to-json-schema'
        ? Promise.resolve({ toJsonSchema })
        : Promise.reject(new Error(name));
    expect(await jsonSchemaOf(schema, having, PLACE)).toEqual({ type: 'object' });
    expect(asked).toEqual([[schema, { typeMode: 'input', target: 'draft-07', errorMode: 'ignore' }]]);
    const without = await jsonSchemaOf(schema, () => Promise.reject(new Error('none')), PLACE);
    expect(without).toEqual({ description: expect.stringContaining('valibot') });
  });

  test('is an open one that says so for anything else, and never an error', async () => {
    const throwing = {
      get '~standard'(): never {
        throw new Error('x');
      },
    };
    for (const schema of [undefined, null, 5, {}, throwing, { '~standard': { vendor: 'own' } }]) {
      const found = await jsonSchemaOf(schema, load, PLACE);
      expect(Object.keys(found)).toEqual(['description']);
    }
  });
});

test('facts without options are said in the description', async () => {
  const facts: ApplicationFacts = { topics: [], hasOptions: false };
  expect((await asyncApiDocument(facts, TITLE, load))['info']).toMatchObject({
    ...TITLE,
    description: expect.stringContaining('factory that was not called'),
  });
});
