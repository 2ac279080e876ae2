import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { connect } from 'nats';
import { AggregateHandler, type AggregateTransportOptions } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { fairClockForAll } from '../../support/fair-clock.js';
import { fakeNats } from '../../support/fake-nats.js';
import { SAYS_ALL } from '../../support/says-all.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll({
  config: `
    accounts {
      MAIN: {
        jetstream: enabled
        users: [
          { user: admin, password: admin-secret }
          { user: mute, password: pw, permissions: { publish: { deny: "topic.>" } } }
          { user: deaf, password: pw, permissions: { subscribe: { deny: "_INBOX.>" } } }
          { user: blind, password: pw, permissions: { publish: { deny: "$JS.API.STREAM.INFO.*" } } }
          { user: guest, password: pw, permissions: { publish: { deny: "$JS.API.STREAM.CREATE.*" } } }
          { user: keyless, password: pw, permissions: { publish: { deny: "$KV.>" } } }
          { user: commitless, password: pw, permissions: { publish: { deny: "$KV.topic_positions.commitless.>" } } }
          { user: readerless, password: pw, permissions: { publish: { deny: "$JS.API.CONSUMER.CREATE.>" } } }
        ]
      }
      PLAIN: { users: [ { user: plain, password: pw } ] }
    }`,
});

const clock = fairClockForAll();
let startedAt = 0;
beforeEach(() => void (startedAt = clock().now()));
/** Every problem is reported soon; nothing hangs. */
afterEach(() => expect(clock().now() - startedAt).toBeLessThan(8_000));

@Controller()
class Handler {
  @AggregateHandler('topic')
  handle() {}
}

type Start = Partial<AggregateTransportOptions> & { handles?: boolean };

function start(
  { handles = false, ...options }: Start,
  logger = new CapturedLog(),
): Promise<INestApplication> {
  return startApp({
    options: { servers: server().url, topics: { topic: {} }, shutdown: { drainMs: 500 }, ...options },
    publishers: Object.keys(options.topics ?? { topic: {} }),
    ...(handles ? { controllers: [Handler] } : {}),
    logger,
  });
}
const as = (user: string, pass = 'pw') => ({ connection: { user, pass } });
const asAdmin = as('admin', 'admin-secret');
const event = { aggregateId: 'a', type: 'T', payload: 1 };

async function makeTopic(): Promise<void> {
  await (await start(asAdmin)).close();
}

describe('a start-up that cannot succeed says why', () => {
  test.each<[what: string, options: Start, code: string, text: RegExp]>([
    [
      'wrong credentials',
      as('admin', 'guessed-secret'),
      'CONNECTION_FAILED',
      /AUTHORIZATION_VIOLATION.*credentials/,
    ],
    ['no credentials', {}, 'CONNECTION_FAILED', /AUTHORIZATION_VIOLATION.*credentials/],
    ['an account without JetStream', as('plain'), 'JETSTREAM_UNAVAILABLE', /enable it for the account/],
    [
      'no permission to read about the stream',
      as('blind'),
      'JETSTREAM_REQUEST_FAILED',
      /permission to publish to "\$JS\.API\.STREAM\.INFO\.topic"/,
    ],
    [
      'no permission to make a stream',
      { ...as('guest'), topics: { fresh: {} } },
      'JETSTREAM_REQUEST_FAILED',
      /permission to publish to "\$JS\.API\.STREAM\.CREATE\.fresh"/,
    ],
    [
      'no permission to hear answers',
      as('deaf'),
      'JETSTREAM_REQUEST_FAILED',
      /permission to subscribe to "_INBOX\./,
    ],
    [
      'no permission to write keys',
      { ...as('keyless'), group: 'keyless', handles: true },
      'JETSTREAM_REQUEST_FAILED',
      /permission to publish to "\$KV\.topic_positions\.group\.keyless"/,
    ],
    ['a port without a server', { servers: 'nats://127.0.0.1:1' }, 'CONNECTION_FAILED', /CONNECTION_REFUSED/],
    [
      'a host name that does not exist',
      { servers: 'nats://no-such-host.invalid:4222' },
      'CONNECTION_FAILED',
      /found .*(ENOTFOUND|EAI_AGAIN)/,
    ],
    ['an address that is none', { servers: 'nats://a b:x' }, 'CONNECTION_FAILED', /check the address/],
  ])('%s', async (_what, options, code, text) => {
    await makeTopic();
    const log = new CapturedLog();
    const starting = start(options, log);
    await expect(starting).rejects.toMatchObject({ code });
    await expect(starting).rejects.toThrow(text);
    await expect(starting).rejects.toThrow(SAYS_ALL);
    const error = (await starting.catch((found: unknown) => found)) as Error;
    expect(`${error.message} ${log.lines.join(' ')}`).not.toMatch(/secret/);
  });

  test.each<[what: string, greeting: object | string | undefined, code: string, text: RegExp]>([
    [
      'a server of 2.9',
      { version: '2.9.25', jetstream: true },
      'SERVER_TOO_OLD',
      /2\.10 or newer, found 2\.9\.25/,
    ],
    [
      'a server without JetStream',
      { version: '2.12.0' },
      'JETSTREAM_UNAVAILABLE',
      /found 2\.12\.0 without it.*leaf node, set jetstream.domain to the domain of its hub/,
    ],
    [
      'something that says nothing, as a server that wants TLS first does',
      undefined,
      'CONNECTION_FAILED',
      /TIMEOUT.*TLS.*client certificate.*connection\.tls/,
    ],
    [
      'something that is no NATS',
      'SSH-2.0-OpenSSH_9.2\r\n',
      'CONNECTION_FAILED',
      /unexpected response from server/,
    ],
  ])('%s', async (_what, greeting, code, text) => {
    const fake = await fakeNats(greeting);
    try {
      const starting = start({ servers: fake.url });
      await expect(starting).rejects.toMatchObject({ code });
      await expect(starting).rejects.toThrow(text);
      await expect(starting).rejects.toThrow(SAYS_ALL);
    } finally {
      await fake.close();
    }
  });

  test('another stream that takes in our subjects', async () => {
    const nats = await connect({ servers: server().url, ...asAdmin.connection });
    await (await nats.jetstreamManager()).streams.add({ name: 'everything', subjects: ['taken.>'] });
    await nats.close();
    const starting = start({ ...asAdmin, topics: { taken: {} } });
    await expect(starting).rejects.toMatchObject({ code: 'JETSTREAM_REQUEST_FAILED' });
    await expect(starting).rejects.toThrow(
      /stream "taken" to be made, found error 10065: subjects overlap.*another stream takes in subjects of "taken"/,
    );
  });
});

describe('a permission that is missing later is named, once for each subject', () => {
  test('to publish: the event is refused, and no later event of its aggregate is sent', async () => {
    await makeTopic();
    const log = new CapturedLog();
    const app = await start(as('mute'), log);
    const publisher = publisherOf(app, 'topic');
    const outcomes = await Promise.allSettled([publisher.publish(event), publisher.publish(event)]);
    expect(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason as unknown)).toMatchObject([
      { code: 'PUBLISH_REJECTED' },
      { code: 'PREDECESSOR_REJECTED' },
    ]);
    await expect(publisher.publish(event)).rejects.toThrow(/permission to publish to "topic\.[01.]+\.a"/);
    await app.close();
    expect(log.matching(/error connection .*permission to publish to "topic\./)).toHaveLength(1);
  });

  test.each([
    [
      'to claim a position',
      'commitless',
      /permission to publish to "\$KV\.topic_positions\.commitless\.0\.1\.0"/,
    ],
    [
      'to make a reader',
      'readerless',
      /permission to publish to "\$JS\.API\.CONSUMER\.CREATE\.topic\.readerless-/,
    ],
  ])('%s: no event is handled, and the log is not flooded', async (_what, user, text) => {
    await makeTopic();
    const log = new CapturedLog();
    const app = await start({ ...as(user), group: user, handles: true }, log);
    await publisherOf(app, 'topic').publish(event);
    await log.says(text);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await app.close();
    expect(log.matching(/lacks the permission/).length).toBeLessThanOrEqual(10);
  });
});
