import { afterEach, describe, expect, test } from '@jest/globals';
import { connect, type NatsConnection } from 'nats';
import type { AggregatePublisher, AggregateTransportError, TopicOptions } from 'nestjs-aggregate-transport';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';
import { publisherOf, startApp } from '../support/app.js';
import { fairClockForAll } from '../support/fair-clock.js';

const TOPIC = 'refused';
const event = (aggregateId: string, payload: unknown = 1) => ({ aggregateId, type: 'T', payload });

const clock = fairClockForAll();
const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** A publisher on a server of its own, and a second connection beside the library's. */
async function publishing(
  options: TopicOptions,
  server: { version?: string; config?: string } = {},
): Promise<{ publisher: AggregatePublisher; beside: NatsConnection }> {
  const nats = await startNatsServer({ config: '', ...server });
  opened.push(() => nats.stop());
  const app = await startApp({
    options: { servers: nats.url, topics: { [TOPIC]: options }, shutdown: { drainMs: 100 } },
    publishers: [TOPIC],
  });
  opened.push(() => app.close());
  const beside = await connect({ servers: nats.url });
  opened.push(() => beside.close());
  return { publisher: publisherOf(app, TOPIC), beside };
}

async function errorOf(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  return call.then(
    () => ({ code: 'stored', message: '' }),
    (error: unknown) => error as AggregateTransportError,
  );
}

async function codesOf(calls: Promise<unknown>[]): Promise<string[]> {
  return (await Promise.all(calls.map(errorOf))).map(({ code }) => code);
}

describe.each(['2.15', '2.10'])('a full stream with discard "new" (%s)', (version) => {
  test.each([
    ['messages', { maxMessages: 3 }, 'x', /10077: maximum messages exceeded/],
    ['bytes', { maxBytes: 1_048_576 }, 'x'.repeat(300_000), /10077: maximum bytes exceeded/],
  ])(
    'refuses within a second, with its reason, by its limit of %s',
    async (_name, limit, payload, reason) => {
      const { publisher, beside } = await publishing({ stream: { discard: 'new', ...limit } }, { version });
      for (let n = 1; n <= 3; n++) await publisher.publish(event('a', payload));
      const since = clock().now();
      const calls = [publisher.publish(event('a', payload)), publisher.publish(event('a', payload))];
      const [first, second] = await Promise.all(calls.map(errorOf));
      expect(clock().now() - since).toBeLessThan(1_000);
      expect([first!.code, second!.code]).toEqual(['PUBLISH_REJECTED', 'PREDECESSOR_REJECTED']);
      expect(first!.message).toMatch(reason);
      // Room again, and the aggregate is open.
      await (await beside.jetstreamManager()).streams.purge(TOPIC);
      const { sequence, duplicate } = await publisher.publish(event('a', payload));
      expect([sequence, duplicate, publisher.published, publisher.failed]).toEqual([4, false, 4, 2]);
    },
  );
});

test('a long queue of one aggregate is stored as far as there is room, without a hole', async () => {
  const { publisher, beside } = await publishing({ stream: { discard: 'new', maxMessages: 250 } });
  const codes = await codesOf(Array.from({ length: 600 }, (_, n) => publisher.publish(event('a', n))));
  expect(codes.slice(0, 250)).toEqual(Array.from({ length: 250 }, () => 'stored'));
  expect(codes[250]).toBe('PUBLISH_REJECTED');
  expect(new Set(codes.slice(251))).toEqual(new Set(['PREDECESSOR_REJECTED']));
  const { state } = await (await beside.jetstreamManager()).streams.info(TOPIC);
  expect(state.messages).toBe(250);
});

test('a server without disk space left is named when patience ends', async () => {
  const options = {
    ...{ stream: { maxBytes: 1_048_576 }, parked: { maxBytes: 1_048_576 } },
    publish: { giveUpAfterMs: 1_000 },
  };
  const config = 'jetstream { max_file_store: 20MB }';
  const { publisher, beside } = await publishing(options, { config });
  const manager = await beside.jetstreamManager();
  await manager.streams.add({ name: 'hog', subjects: ['hog'] });
  for (let left = 60; left > 0; left--) await beside.request('hog', new Uint8Array(500_000));
  const refused = await errorOf(publisher.publish(event('a')));
  expect(refused.code).toBe('PUBLISH_REJECTED');
  expect(refused.message).toMatch(/10023: insufficient resources/);
});

test('a stream that is gone is named when patience ends; an aggregate is then open for the stream made again', async () => {
  const { publisher, beside } = await publishing({ publish: { giveUpAfterMs: 1_000 } });
  await publisher.publish(event('a'));
  const manager = await beside.jetstreamManager();
  const { config } = await manager.streams.info(TOPIC);
  await manager.streams.delete(TOPIC);
  const calls = [publisher.publish(event('a')), publisher.publish(event('a'))];
  const [first, second] = await Promise.all(calls.map(errorOf));
  expect([first!.code, second!.code]).toEqual(['PUBLISH_REJECTED', 'PREDECESSOR_REJECTED']);
  expect(first!.message).toMatch(/no stream has this subject, or the stream has no leader/);
  await manager.streams.add(config);
  await expect(publisher.publish(event('a'))).resolves.toMatchObject({ sequence: 1 });
});
