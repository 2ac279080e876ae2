import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from 'nats';
import { parseHeaders } from '#library/message/headers.js';
import { diesWithParent } from '#library/verifying/harness/dies-with-parent.js';
import { AggregateContext, AggregateHandler, type AggregatePublisher } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

// What docs/wire-format.md asks of a publisher without this library, in JavaScript and in Python.

const server = serverForAll();
const open: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
});

interface Line {
  readonly aggregateId: string;
  readonly type: string;
  readonly payload: unknown;
  readonly eventId?: string;
}

/** Runs the example over these events; resolves with how it ended and all it printed. */
async function run(
  [command, script]: readonly [command: string, script: string],
  topic: string,
  events: readonly Line[],
  ...giveUpAfterMs: string[]
): Promise<{ code: number | null; receipts: unknown[]; errors: string }> {
  const client = spawn(command, [script, server().url, topic, ...giveUpAfterMs], { stdio: 'pipe' });
  diesWithParent(client);
  let output = '';
  let errors = '';
  client.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  client.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  // It may end before it has read everything.
  client.stdin.on('error', () => undefined);
  client.stdin.end(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  const [code] = (await once(client, 'close')) as [number | null];
  const receipts = output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
  return { code, receipts, errors };
}

async function connected(): Promise<NatsConnection> {
  const nats = await connect({ servers: server().url });
  open.push(nats);
  return nats;
}

async function publisherFor(topic: string, controllers?: Type[]): Promise<AggregatePublisher> {
  const app = await startApp({
    options: { servers: server().url, group: 'plain', topics: { [topic]: { consume: { partitions: 8 } } } },
    ...(controllers && { controllers }),
    publishers: [topic],
  });
  open.push(app);
  return publisherOf(app, topic);
}

/** One copy of an event on its way to the stream. */
interface Copy {
  readonly messageId: string | undefined;
  readonly body: string;
}

/** In a stream's place: takes what comes and gives these answers, the last one again and again; undefined is none. */
async function standIn(topic: string, answers: readonly (object | undefined)[]): Promise<Copy[]> {
  const nats = await connected();
  const copies: Copy[] = [];
  nats.subscribe(`${topic}.>`, {
    callback: (_error, message) => {
      const answer = answers[Math.min(copies.length, answers.length - 1)];
      copies.push({ messageId: message.headers?.get('Nats-Msg-Id'), body: message.string() });
      if (answer !== undefined) message.respond(JSON.stringify(answer));
    },
  });
  await nats.flush();
  return copies;
}

const twoEvents: Line[] = [1, 2].map((payload) => ({ aggregateId: 'order-7', type: 'T', payload }));

interface WireVector {
  readonly event: Line;
  readonly subject: string;
  readonly headers: Record<string, string>;
}

const CLIENTS = {
  'plain-publisher.js': [process.execPath, 'docs/examples/plain-publisher.js'],
  'plain_publisher.py': ['python3', 'docs/examples/plain_publisher.py'],
} as const;

describe.each(Object.keys(CLIENTS) as (keyof typeof CLIENTS)[])('%s', (client) => {
  const publish = (topic: string, events: readonly Line[], ...giveUpAfterMs: string[]) =>
    run(CLIENTS[client], topic, events, ...giveUpAfterMs);
  // Each has topics of its own.
  const topicOf = (name: string): string => `${name}-${client.slice(-2)}`;

  test('a handler gets what the plain client publishes, in order; what is published again is not stored again', async () => {
    const handled: unknown[] = [];

    @Controller()
    class Handler {
      @AggregateHandler(topicOf('plain'))
      handle(@Payload() payload: number, @Ctx() ctx: AggregateContext) {
        handled.push([ctx.aggregateId, ctx.type, ctx.version, payload]);
      }
    }

    const publisher = await publisherFor(topicOf('plain'), [Handler]);
    const ids = ['order-7', 'größe 注文'];
    const events = [1, 2, 3].flatMap((payload) =>
      ids.map((aggregateId) => ({ aggregateId, type: 'T', payload, eventId: `e-${payload}` })),
    );
    const { code, receipts } = await publish(topicOf('plain'), [...events, events[0]!]);
    await eventually('all handled', () => handled.length >= 6);
    expect([code, receipts.at(-1)]).toEqual([0, { sequence: 1, duplicate: true }]);
    for (const id of ids) {
      const ofOne = handled.filter((entry) => (entry as unknown[])[0] === id);
      expect(ofOne).toEqual([1, 2, 3].map((payload) => [id, 'T', 1, payload]));
    }
    const stored: string[] = [];
    for await (const event of publisher.read('order-7')) stored.push(event.eventId);
    expect(stored).toEqual(['e-1', 'e-2', 'e-3']);
  });

  test('the plain client stores each wire vector under its subject and its Nats-Msg-Id', async () => {
    const vectors = JSON.parse(readFileSync('test/data/wire-vectors.json', 'utf8')) as WireVector[];
    // On both sides of the longest plain token, and the longest id.
    const bytes = vectors.map(({ event }) => Buffer.byteLength(event.aggregateId));
    expect(bytes).toEqual(expect.arrayContaining([128, 129, 256]));
    await publisherFor(topicOf('orders'));
    const told = vectors.map(({ event: { aggregateId, type, payload, eventId } }) => ({
      ...{ aggregateId, type, payload },
      ...(eventId !== undefined && { eventId }),
    }));
    const { code, receipts, errors } = await publish(topicOf('orders'), told);
    expect([code, errors]).toEqual([0, '']);
    expect(receipts).toEqual(vectors.map((_, index) => ({ sequence: index + 1, duplicate: false })));

    const nats = await connected();
    for (const [index, { event, subject, headers }] of vectors.entries()) {
      const found = await nats.request(
        `$JS.API.STREAM.MSG.GET.${topicOf('orders')}`,
        JSON.stringify({ seq: index + 1 }),
      );
      const { message } = found.json<{ message: { subject: string; hdrs: string; data: string } }>();
      expect(message.subject).toBe(subject.replace('orders', topicOf('orders')));
      const stored = parseHeaders(Buffer.from(message.hdrs, 'base64').toString('utf8'));
      expect(stored).toEqual({ 'Nats-Msg-Id': headers['Nats-Msg-Id'] });
      expect(JSON.parse(Buffer.from(message.data, 'base64').toString('utf8'))).toMatchObject({
        event_id: event.eventId,
        aggregate_id: event.aggregateId,
        event_type: event.type,
        payload: event.payload,
      });
    }
  });

  test.each([
    ['of no byte', '', /1 to 256 UTF-8 bytes, found 0/],
    ['of 257 bytes', 'x'.repeat(257), /1 to 256 UTF-8 bytes, found 257/],
    ['of 129 letters in 258 bytes', 'ß'.repeat(129), /1 to 256 UTF-8 bytes, found 258/],
    ['with a lone high surrogate', 'a\ud800', /well-formed text, found a lone surrogate/],
    ['with a lone low surrogate', '\udc00a', /well-formed text, found a lone surrogate/],
  ])('the plain client refuses an id %s, and sends nothing', async (_what, aggregateId, text) => {
    const copies = await standIn(topicOf('refused'), [{ stream: 'refused', seq: 1 }]);
    const { code, receipts, errors } = await publish(topicOf('refused'), [
      { aggregateId, type: 'T', payload: 1 },
      ...twoEvents,
    ]);
    expect([code, receipts, copies]).toEqual([1, [], []]);
    expect(errors).toMatch(text);
  });

  test('the plain client sends an event without an answer again, under one id, and the next one only then', async () => {
    const copies = await standIn(topicOf('resent'), [
      undefined,
      { error: { code: 503, err_code: 10008, description: 'temporarily unavailable' } },
      { error: { code: 409, err_code: 10158, description: 'duplicate message id is in process' } },
      { stream: 'resent', seq: 0, duplicate: true },
      { stream: 'resent', seq: 7 },
      { stream: 'resent', seq: 8 },
    ]);
    const { code, receipts, errors } = await publish(topicOf('resent'), twoEvents);
    expect([code, errors]).toEqual([0, '']);
    expect(receipts).toEqual([
      { sequence: 7, duplicate: false },
      { sequence: 8, duplicate: false },
    ]);
    expect(copies.map(({ body }) => (JSON.parse(body) as { payload: number }).payload)).toEqual([
      ...[1, 1, 1, 1, 1],
      2,
    ]);
    const ids = copies.map(({ messageId }) => messageId);
    expect(ids[0]).toMatch(/^order-7:[0-9a-f-]{36}$/);
    expect(ids.slice(0, 5)).toEqual(Array(5).fill(ids[0]));
    expect(ids[5]).not.toBe(ids[0]);
    expect(new Set(copies.slice(0, 5).map(({ body }) => body)).size).toBe(1);
  });

  test('the plain client gives up after its time, names the event, and sends no later one', async () => {
    const copies = await standIn(topicOf('silent'), [{ error: { code: 503, description: 'no leader' } }]);
    const { code, receipts, errors } = await publish(topicOf('silent'), twoEvents, '600');
    const ids = new Set(copies.map(({ messageId }) => messageId));
    expect([code, receipts, ids.size]).toEqual([1, [], 1]);
    expect(copies.length).toBeGreaterThan(1);
    expect(errors).toContain(`expected an answer to ${[...ids][0]!} within 600 ms, found none`);
  });

  test('the plain client takes a subject without a stream for no answer, not for a refusal', async () => {
    const { code, receipts, errors } = await publish(topicOf('unread'), twoEvents, '600');
    expect([code, receipts]).toEqual([1, []]);
    expect(errors).toMatch(/expected an answer to order-7:\S+ within 600 ms, found none/);
  });

  test('the plain client ends at a refusal, and sends no later event', async () => {
    const copies = await standIn(topicOf('full'), [
      { error: { code: 400, err_code: 10077, description: 'too large' } },
    ]);
    const { code, receipts, errors } = await publish(topicOf('full'), twoEvents);
    expect([code, receipts, copies.length]).toEqual([1, [], 1]);
    expect(errors).toContain('not stored: too large');
  });

  test('the plain client stores each event once, in order, when the server is killed and comes back', async () => {
    const topic = topicOf('killed');
    const publisher = await publisherFor(topic);
    const events = Array.from({ length: 300 }, (_, index) => ({
      aggregateId: `order-${index % 3}`,
      type: 'T',
      payload: Math.floor(index / 3),
      eventId: `e-${index}`,
    }));
    const published = publish(topic, events);
    await eventually('some to be stored', async () => (await publisher.lastSequence('order-0')) > 10);
    await server().kill();
    await server().start();
    const { code, receipts } = await published;
    expect([code, receipts.length]).toEqual([0, events.length]);
    for (const id of ['order-0', 'order-1', 'order-2']) {
      const stored: unknown[] = [];
      for await (const event of publisher.read(id)) stored.push(event.payload);
      expect(stored).toEqual(Array.from({ length: 100 }, (_, n) => n));
    }
  });
});
