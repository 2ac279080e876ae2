import { expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import {
  AggregateHandler,
  AggregateId,
  ParkedAggregates,
  subjectOf,
  tokenOf,
} from 'nestjs-aggregate-transport';
import { connect, type NatsConnection } from 'nats';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { EXHAUSTED } from '../nest-features/exhausted.js';

const server = serverForAll();

const good = {
  event_id: 'e',
  event_type: 'Counted',
  event_version: 1,
  timestamp: '2026-11-24T00:00:00Z',
  payload: 1,
};
const GARBAGE: [id: string, body: string | Uint8Array, text: RegExp][] = [
  ['no-json', 'hello', /5 bytes the codec can read/],
  ['half-json', '{"event_id":"1"', /15 bytes the codec can read/],
  ['nothing', '', /0 bytes the codec can read/],
  ['no-text', new Uint8Array([0xff, 0xfe, 0x00]), /3 bytes the codec can read/],
  ['null', 'null', /a body that is no object/],
  ['list', '[1,2]', /a body that is no object/],
  ['no-fields', '{}', /no event_id/],
  ['no-type', JSON.stringify({ ...good, event_type: undefined, aggregate_id: 'no-type' }), /no event_type/],
  ['no-payload', JSON.stringify({ ...good, payload: undefined, aggregate_id: 'no-payload' }), /no payload/],
  ['another', JSON.stringify({ ...good, aggregate_id: 'another-one' }), /other than its subject names/],
  [
    'odd-version',
    JSON.stringify({ ...good, event_version: 'one', aggregate_id: 'odd-version' }),
    /event_version/,
  ],
];

/** Well-formed events under subjects that no aggregate has. */
function foreignTo(topic: string): [what: string, subject: string, aggregateId: string][] {
  return [
    ['a token that should have been encoded', subjectOf(topic, 'tenant:7'), 'tenant:7'],
    ['a token that is encoded without need', subjectOf(topic, '~YWJj'), 'abc'],
    ['a token that decodes to nothing', subjectOf(topic, '~'), '~'],
    ['a token that is no base64url', subjectOf(topic, '~!!'), '~!!'],
    ['bits that are not those of its token', flipped(subjectOf(topic, 'sound')), 'sound'],
  ];
}

/** The same subject in the other half of all partitions. */
function flipped(subject: string): string {
  const [topic = '', first, ...rest] = subject.split('.');
  return [topic, first === '0' ? '1' : '0', ...rest].join('.');
}

function publish(nats: NatsConnection, subject: string, body: string | Uint8Array): Promise<unknown> {
  return nats.request(subject, body, { timeout: 2_000 });
}

test('garbage from a plain client is reported and parks its own aggregate alone, also after a restart', async () => {
  const handled: string[] = [];

  @Controller()
  class Handler {
    @AggregateHandler('garbage')
    handle(@AggregateId() id: string) {
      handled.push(id);
    }
  }
  const start = (log: CapturedLog) =>
    startApp({
      options: {
        servers: server().url,
        group: 'garbage',
        topics: { garbage: { consume: { retry: { maxDelayMs: 500 } } } },
      },
      publishers: ['garbage'],
      controllers: [Handler],
      logger: log,
    });
  const log = new CapturedLog();
  const app = await start(log);
  const nats = await connect({ servers: server().url });
  for (const [id, body] of GARBAGE) await publish(nats, subjectOf('garbage', tokenOf(id)), body);
  const publisher = publisherOf(app, 'garbage');
  // Behind garbage, beside it, and where garbage is not.
  await publisher.publish({ aggregateId: 'no-json', type: 'Counted', payload: 1 });
  await publisher.publish({ aggregateId: 'sound', type: 'Counted', payload: 1 });
  await eventually('the sound aggregate is handled', () => handled.length > 0);
  for (const [id, , text] of GARBAGE) {
    const line = await log.says(new RegExp(`aggregate "${id}" .*failed in its decode`));
    expect(line).toContain(EXHAUSTED);
    expect(line).toMatch(text);
  }
  await app.close();

  const restarted = await start(new CapturedLog());
  const parked = restarted.get(ParkedAggregates);
  const letters = async (): Promise<number[]> => {
    const found = await parked.list({ topic: 'garbage' });
    return found.map((aggregate) => aggregate.letters);
  };
  // Behind the garbage of "no-json" stands a sound event, which waits with it.
  await eventually('all garbage is parked', async () => (await letters()).length === GARBAGE.length);
  await eventually('what stands behind is parked', async () => (await letters()).includes(2));
  await publisherOf(restarted, 'garbage').publish({ aggregateId: 'sound', type: 'Counted', payload: 2 });
  await eventually('the sound aggregate continues', () => handled.length > 1);
  await restarted.close();
  await nats.close();
  expect(handled).toEqual(['sound', 'sound']);
  expect(log.lines.join('\n')).not.toContain('another-one');
});

test.each(['depth.1.2', 'depth.0.0.0.0.0.0.0.0.a.b', 'depth', 'depth.0.0.0.0.0.0.0.a'])(
  'the server refuses subject "%s": the stream takes our depth and nothing else',
  async (subject) => {
    const app = await startApp({
      options: { servers: server().url, topics: { depth: {} } },
      publishers: ['depth'],
    });
    const nats = await connect({ servers: server().url });
    await expect(publish(nats, subject, '{}')).rejects.toMatchObject({ code: '503' });
    await nats.close();
    await app.close();
  },
);

test.each([1, 4])(
  'with %d partition(s), an event under a subject that no aggregate has is reported, kept and passed over; no aggregate gets a second place in the order',
  async (partitions) => {
    const topic = `foreign-${partitions}`;
    const handled: string[] = [];

    @Controller()
    class Handler {
      @AggregateHandler(topic)
      handle(@AggregateId() id: string) {
        handled.push(id);
      }
    }
    const log = new CapturedLog();
    const app = await startApp({
      options: {
        servers: server().url,
        group: 'foreign',
        topics: { [topic]: { consume: { partitions, onExhausted: 'block' } } },
      },
      publishers: [topic],
      controllers: [Handler],
      logger: log,
    });
    const nats = await connect({ servers: server().url });
    const publisher = publisherOf(app, topic);
    const ids = ['sound', 'tenant:7', 'abc'];
    for (const aggregateId of ids) await publisher.publish({ aggregateId, type: 'Counted', payload: 1 });
    const foreign = foreignTo(topic);
    for (const [what, subject, id] of foreign) {
      await publish(nats, subject, JSON.stringify({ ...good, event_id: what, aggregate_id: id }));
    }
    for (const aggregateId of ids) await publisher.publish({ aggregateId, type: 'Counted', payload: 2 });
    for (const [, subject] of foreign) {
      const line = await log.says(new RegExp(`found "${escaped(subject)}"`));
      expect(line).toContain('no aggregate has its subject, so it is passed over');
    }
    const parked = app.get(ParkedAggregates);
    // Each is said before it is stored.
    let kept: string[] = [];
    await eventually('all to be kept', async () => {
      kept = [];
      for await (const { event } of parked.skipped({ topic })) kept.push(event?.event_id ?? '');
      return kept.length >= foreign.length;
    });
    expect(kept.sort()).toEqual(foreign.map(([what]) => what).sort());
    expect(await parked.list({ topic })).toEqual([]);
    await eventually('all others are handled', () => handled.length === 2 * ids.length);
    expect(handled.toSorted()).toEqual([...ids, ...ids].toSorted());
    await nats.close();
    await app.close();
  },
);

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\~!]/g, '\\$&');
}
