import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { NatsConnection } from 'nats';
import { systemClock } from '#library/clock.js';
import { levelOf, type Log, silentLog } from '#library/log.js';
import type { FeedListener } from '#library/message/reader-port.js';
import { subjectOf } from '#library/message/subject.js';
import { type NatsServer, startNatsServer } from '#library/testing/nats/nats-server.js';
import { NatsWires } from '#library/transport/nats-wires.js';
import { resolveOptions } from '#library/transport/resolve-options.js';
import { eventually } from '../../support/eventually.js';
import { fairClockForAll } from '../../support/fair-clock.js';
import { SAYS_ALL } from '../../support/says-all.js';
import { VERSIONS } from './world.js';

const START_WITHIN_MS = 90_000;
const clock = fairClockForAll();
const KEYS = ['$KV.aggregate-transport.>', '$KV.aggregate-transport-parked.>', '$KV.topic_positions.>'];
/** What a service that handles events needs once all streams are made. */
const HANDLER = {
  publish: [
    ...KEYS,
    'topic.>',
    'topic_parked.>',
    '$JS.API.STREAM.INFO.*',
    '$JS.API.STREAM.MSG.GET.*',
    '$JS.API.STREAM.MSG.DELETE.*',
    '$JS.API.DIRECT.GET.*',
    '$JS.API.STREAM.PURGE.topic_parked',
    '$JS.API.STREAM.PURGE.KV_aggregate-transport',
    '$JS.API.CONSUMER.CREATE.topic.>',
    '$JS.API.CONSUMER.MSG.NEXT.topic.>',
    '$JS.API.CONSUMER.DELETE.topic.>',
    '$JS.API.CONSUMER.NAMES.topic',
  ],
  subscribe: ['_INBOX.>', ...KEYS],
};
const KEYLESS = { publish: { deny: '$KV.>' } };

describe.each(VERSIONS)('permissions on nats-server %s', (version) => {
  let server: NatsServer;
  const opened: NatsWires[] = [];

  beforeAll(async () => {
    const users = [
      '{ user: admin, password: pw }',
      `{ user: handler, password: pw, permissions: ${JSON.stringify(HANDLER)} }`,
      `{ user: keyless, password: pw, permissions: ${JSON.stringify(KEYLESS)} }`,
    ];
    const config = `accounts { MAIN: { jetstream: enabled, users: [ ${users.join('\n')} ] } }`;
    server = await startNatsServer({ version, config });
  }, START_WITHIN_MS);

  afterAll(async () => {
    await Promise.all(opened.map((wires) => wires.close()));
    await server.stop();
  });

  function topicAs(user: string, log: Log = silentLog) {
    const resolved = resolveOptions({
      servers: server.url,
      connection: { user, pass: 'pw' },
      topics: { topic: { stream: { provision: 'ensure' } } },
    });
    const wires = new NatsWires({ ...resolved, clock: systemClock, log });
    opened.push(wires);
    return wires.open(resolved.topics.get('topic')!);
  }

  test('a group reads, commits and is seen with those for its topic, where the streams are made', async () => {
    await (await topicAs('admin')).openGroup('before');
    const denied: string[] = [];
    const log: Log = {
      write: (event, _fields, text) => {
        if (levelOf(event) === 'error') denied.push(text);
      },
    };
    const topic = await topicAs('handler', log);
    const group = await topic.openGroup('g');
    await (topic.nats as NatsConnection).request(subjectOf('topic', 'a'), '{}');
    const [partition] = group.partitions;
    const port = partition!.connect({ disconnected: () => undefined, reconnected: () => undefined });
    const heard: number[] = [];
    const listener: FeedListener = {
      delivered: ({ sequence }) => heard.push(sequence),
      idle: () => undefined,
      pullEnded: () => undefined,
      unheard: () => undefined,
      lost: (reason) => denied.push(reason),
    };
    const feed = await port.open({ name: 'g-0-1-0-e1-1', fromSequence: 1 }, listener);
    feed.pull({ events: 5, expiresMs: 1_000, idleHeartbeatMs: 400 });
    await eventually('the event', () => heard.length === 1);
    expect((await port.find(1))?.token).toBe('a');
    expect((await port.stream()).lastSequence).toBe(1);
    const { positionPort, leasePort, parkedPort } = partition!;
    const { created } = await port.stream();
    const position = {
      ...{ v: 1 as const, epoch: 1, owner: 'a', write: 1, created, high: 0, highTime: '', unsettled: '' },
      ...{ window: 1, deaths: 0, starts: {}, run: 0 },
    };
    expect(await positionPort.write(position, 0)).toBeGreaterThan(0);
    expect(await leasePort.write({ owner: 'a', term: 1, ttlMs: 1_000, epoch: 1 }, 0)).toBeGreaterThan(0);
    expect(await parkedPort.markers()).toEqual([]);
    group.recordPort.onHint(() => undefined);
    const presence = topic.presencePort('g');
    presence.onHint(() => undefined);
    const member = { member: 'a', ttlMs: 1_000, beat: 1, term: 1 };
    await presence.remove('a', (await presence.announce(member, 0))!);
    expect(await group.oldConsumers()).toEqual([]);
    const owned = new Set<number>();
    const question = { group: 'g', layout: 0, partitions: 1, owned, ownedOnly: false, withinMs: 5_000 };
    expect((await topic.lookAt(question)).partitions[0]!.position?.pending).toBe(1);
    port.close();
    await (topic.nats as NatsConnection).flush();
    expect(denied).toEqual([]);
  });

  test('without the one to write keys a group does not start, and says so at once', async () => {
    const topic = await topicAs('keyless');
    const startedAt = clock().now();
    const starting = topic.openGroup('keyless');
    await expect(starting).rejects.toMatchObject({ code: 'JETSTREAM_REQUEST_FAILED' });
    await expect(starting).rejects.toThrow(
      /permission to publish to "\$KV\.topic_positions\.group\.keyless"/,
    );
    await expect(starting).rejects.toThrow(SAYS_ALL);
    expect(clock().now() - startedAt).toBeLessThan(3_000);
  });
});
