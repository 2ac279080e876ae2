import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { connect } from 'nats';
import {
  AggregateClient,
  type AggregateEvent,
  AggregateHandler,
  AggregateId,
  type AggregatePublisher,
  AggregateRecord,
  AggregateTransportError,
} from 'nestjs-aggregate-transport';
import { lastValueFrom } from 'rxjs';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { SAYS_ALL } from '../../support/says-all.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();
const log = new CapturedLog();
const handled = new Map<string, number[]>();
let app: INestApplication;
let publisher: AggregatePublisher;

@Controller()
class Handler {
  @AggregateHandler('input')
  handle(@Payload() payload: number, @AggregateId() id: string) {
    handled.set(id, [...(handled.get(id) ?? []), payload]);
  }
}

beforeAll(async () => {
  app = await startApp({
    options: { servers: server().url, group: 'input', topics: { input: {}, closed: {} } },
    publishers: ['input', 'closed'],
    controllers: [Handler],
    logger: log,
  });
  publisher = publisherOf(app, 'input');
});
afterAll(() => app.close());

async function storedCount(): Promise<number> {
  const nats = await connect({ servers: server().url });
  const info = await (await nats.jetstreamManager()).streams.info('input');
  await nats.close();
  return info.state.messages;
}

const event = (more: Partial<AggregateEvent>): AggregateEvent => ({
  aggregateId: 'plain',
  type: 'Counted',
  payload: 1,
  ...more,
});

describe('an event that cannot be sent is refused by itself, with its reason', () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  const refused: [what: string, more: Partial<AggregateEvent>, code: string, text: RegExp][] = [
    [
      'an empty id',
      { aggregateId: '' },
      'AGGREGATE_ID_INVALID',
      /1 to 256 UTF-8 bytes, found an empty string/,
    ],
    ['an id of 257 bytes', { aggregateId: `${'ä'.repeat(128)}x` }, 'AGGREGATE_ID_INVALID', /found 257 bytes/],
    ['half a character as id', { aggregateId: 'a\ud83d' }, 'AGGREGATE_ID_INVALID', /lone surrogate/],
    ['a number as id', { aggregateId: 7 as never }, 'AGGREGATE_ID_INVALID', /found number/],
    ['a cycle', { payload: cycle }, 'PAYLOAD_NOT_SERIALIZABLE', /payload\.self .* contains itself/],
    ['a BigInt', { payload: { n: 1n } }, 'PAYLOAD_NOT_SERIALIZABLE', /event type "Counted"/],
    ['a function', { payload: () => 1 }, 'PAYLOAD_NOT_SERIALIZABLE', /a function, which JSON leaves out/],
    ['a promise', { payload: Promise.resolve(1) }, 'PAYLOAD_NOT_SERIALIZABLE', /a promise/],
    [
      'a Map in its payload',
      { payload: { lines: [new Map()] } },
      'PAYLOAD_NOT_SERIALIZABLE',
      /payload\.lines\[0\] .* a Map/,
    ],
    [
      'what is no number in its payload',
      { payload: { cents: Number.NaN } },
      'PAYLOAD_NOT_SERIALIZABLE',
      /NaN/,
    ],
    ['a version as text', { aggregateVersion: '7' as never }, 'EVENT_INVALID', /event\.aggregateVersion/],
    ['a version that is no number', { aggregateVersion: Number.NaN }, 'EVENT_INVALID', /aggregateVersion/],
    ['a tenant by name', { tenantId: 'acme' as never }, 'EVENT_INVALID', /event\.tenantId/],
    ['an object as trace id', { traceId: {} as never }, 'EVENT_INVALID', /event\.traceId/],
    ['a number as correlation id', { correlationId: 5 as never }, 'EVENT_INVALID', /event\.correlationId/],
    ['headers in a Map', { headers: new Map([['a', 'b']]) as never }, 'EVENT_INVALID', /event\.headers/],
    [
      'a field that no event has',
      { correlation_id: 'c' } as never,
      'EVENT_INVALID',
      /found "correlation_id"; nothing was sent: the field is called correlationId/,
    ],
    ['no payload', { payload: undefined }, 'EVENT_INVALID', /event\.payload/],
    ['a blank type', { type: ' ' }, 'EVENT_INVALID', /event\.type/],
    [
      'a payload over the limit',
      { payload: 'x'.repeat(1_048_576) },
      'EVENT_TOO_LARGE',
      /max_payload less 8192\), found 1/,
    ],
    ["a header of the server's", { headers: { 'Nats-Rollup': 'all' } }, 'HEADER_RESERVED', /"Nats-Rollup"/],
    ['its dedup header', { headers: { 'nats-msg-id': '1' } }, 'HEADER_RESERVED', /"nats-msg-id"/],
    ['headers that are none', { headers: null as never }, 'EVENT_INVALID', /event\.headers/],
    ['a header of two lines', { headers: { a: 'b\r\nNats-Rollup: all' } }, 'EVENT_INVALID', /header "a"/],
  ];

  test.each(refused)('%s', async (_what, more, code, text) => {
    const before = await storedCount();
    const outcome: unknown = await publisher.publish(event(more)).catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(AggregateTransportError);
    expect(outcome).toMatchObject({ code });
    expect((outcome as Error).message).toMatch(text);
    expect((outcome as Error).message).toMatch(SAYS_ALL);
    // It has touched nothing: neither the stream, nor the connection, nor its aggregate.
    await publisher.publish(event({}));
    expect(await storedCount()).toBe(before + 1);
  });

  test.each<[what: unknown, text: RegExp]>([
    [undefined, /found undefined/],
    [null, /found null/],
    ['x', /found a text/],
    [5, /found number/],
    [[], /found a list/],
  ])('what is no event at all: %p', async (what, text) => {
    const before = await storedCount();
    const refusal: unknown = await publisher.publish(what as never).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(AggregateTransportError);
    expect(refusal).toMatchObject({ code: 'EVENT_INVALID' });
    expect((refusal as Error).message).toMatch(text);
    expect((refusal as Error).message).toMatch(SAYS_ALL);
    const record = new AggregateRecord(what as never);
    const emitted = lastValueFrom(app.get(AggregateClient).emit('input', record));
    await expect(emitted).rejects.toMatchObject({ code: 'EVENT_INVALID' });
    const several = publisher.publishAll([event({}), what as never]);
    await expect(several).rejects.toMatchObject({
      results: [{ duplicate: false }, { code: 'EVENT_INVALID' }],
    });
    expect(await storedCount()).toBe(before + 1);
  });

  test('the largest event that is not refused is stored and handled', async () => {
    const overhead = 8_192 + 400;
    await publisher.publish(event({ aggregateId: 'large', payload: 'x'.repeat(1_048_576 - overhead) }));
    await eventually('handled', () => handled.has('large'));
  });
});

test('ids with dots, spaces, wildcards, control characters and any script are accepted and handled in order', async () => {
  const ids = [
    ...[
      'order.7',
      '.',
      '..',
      'a b',
      ' ',
      '*',
      '>',
      'orders.>',
      '$JS.API.STREAM.DELETE.input',
      '~YS5i',
      '-',
      '_',
    ],
    ...['größe', 'заказ-7', '注文', 'طلب ٧', '🧾🧾', 'e\u0301', '\u00e9', 'a\tb', 'a\r\nb', '\0', '"{}"'],
    ...['x'.repeat(128), 'x'.repeat(129), 'x'.repeat(256), '€'.repeat(85)],
  ];
  const numbers = [1, 2, 3, 4, 5];
  await publisher.publishAll(
    numbers.flatMap((payload) => ids.map((aggregateId) => event({ aggregateId, payload }))),
  );
  await eventually('all handled', () => ids.every((id) => handled.get(id)?.length === numbers.length));
  for (const id of ids) expect([id, handled.get(id)]).toEqual([id, numbers]);
});

describe('a topic that is not declared', () => {
  test('has no publisher', async () => {
    const starting = startApp({
      options: { servers: server().url, topics: { input: {} } },
      publishers: ['inptu'],
      logger: log,
    });
    await expect(starting).rejects.toMatchObject({ code: 'TOPIC_UNDECLARED' });
    await expect(starting).rejects.toThrow(/\(input\), found "inptu"/);
  });

  test('is no place to emit to; a failure that no subscriber observes is logged', async () => {
    const client = app.get(AggregateClient);
    const record = new AggregateRecord(event({}));
    await expect(lastValueFrom(client.emit('inptu', record))).rejects.toMatchObject({
      code: 'TOPIC_UNDECLARED',
    });
    client.emit('inptu', record);
    await log.says(/emitted to topic "inptu" was not stored: TOPIC_UNDECLARED/);
    await expect(lastValueFrom(client.emit('input', { aggregateId: 'a' } as never))).rejects.toMatchObject({
      code: 'EVENT_INVALID',
    });
  });
});

test('an unknown option is refused in every place', async () => {
  const start = (options: object): Promise<unknown> =>
    startApp({ options: { servers: server().url, topics: {}, ...options } });
  await expect(start({ sevrers: 'x' })).rejects.toThrow(/found "sevrers"; remove it or correct its name/);
  await expect(start({ topics: { input: { pulbish: {} } } })).rejects.toThrow(/"topics\.input\.pulbish"/);
  await expect(start({ publish: { maxPendign: 1 } })).rejects.toThrow(/"publish\.maxPendign"/);
  expect(() => AggregateHandler('input', { tpye: 'A' } as never)).toThrow(
    /"@AggregateHandler\("input"\)\.tpye"/,
  );
});

test('publish after close rejects at once, and so does everything else', async () => {
  const own = await startApp({
    options: { servers: server().url, topics: { closed: {} } },
    publishers: ['closed'],
  });
  const closed = publisherOf(own, 'closed');
  await closed.publish(event({}));
  await own.close();
  for (const call of [
    closed.publish(event({})),
    closed.publishAll([event({})]),
    closed.lastSequence('plain'),
    closed.flush(),
  ]) {
    await expect(call).rejects.toThrow(/shut down|1 failed/);
  }
  await expect(closed.publish(event({}))).rejects.toMatchObject({ code: 'PUBLISHER_CLOSED' });
});
