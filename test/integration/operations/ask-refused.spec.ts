import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { AggregateHandler } from 'nestjs-aggregate-transport';
import { type ConnectedOperations, connectOperations } from 'nestjs-aggregate-transport/operating';
import { systemClock } from '#library/clock.js';
import { silentLog } from '#library/log.js';
import { Connection } from '#library/stream/connection/connection.js';
import { publisherOf, startApp } from '../../support/app.js';
import { BareServer } from '../../support/bare-server.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { fairClockForAll } from '../../support/fair-clock.js';

/** Users that may do everything but hear questions, or everything but answer them. */
const SUBJECT = 'aggregate-transport.*.*.ask';
const USERS = `
  { user: all, password: pw }
  { user: deaf, password: pw, permissions: { publish: ">", subscribe: { allow: ">", deny: "${SUBJECT}" } } }
  { user: mute, password: pw, permissions: { publish: { allow: ">", deny: "_INBOX.>" }, subscribe: ">" } }
  { user: unasking, password: pw, permissions: { publish: { allow: ">", deny: "${SUBJECT}" }, subscribe: ">" } }
`;

let server: BareServer;
let operations: ConnectedOperations;
beforeAll(async () => {
  server = await BareServer.start(() => `accounts { A { jetstream: enabled, users: [ ${USERS} ] } }`, '');
  const connection = { user: 'all', pass: 'pw' };
  operations = await connectOperations({ servers: server.url, connection });
});
afterAll(async () => {
  await operations.close();
  await server.stop();
});

const handled: string[] = [];

function serviceOf(topic: string, user: string, logger: CapturedLog): Promise<INestApplication> {
  @Controller()
  class Handler {
    @AggregateHandler(topic)
    handle(): void {
      handled.push(topic);
    }
  }
  return startApp({
    options: {
      servers: server.url,
      connection: { user, pass: 'pw' },
      group: 'g',
      topics: { [topic]: { consume: { leaseTtlMs: 2_000 } } },
    },
    publishers: [topic],
    controllers: [Handler],
    logger,
  });
}

test.each(['deaf', 'mute'])('a service whose user is %s works on, and is told as silent', async (user) => {
  const log = new CapturedLog();
  const app = await serviceOf(user, user, log);
  const address = { topic: user, group: 'g' };
  await eventually('an owner', async () => (await operations.groups(user))[0]?.owned === 1);
  let told = 0;
  for (let n = 0; n < 30; n++) {
    const live = await operations.askGroup(address, { withinMs: 60 });
    expect(live).toMatchObject({ isComplete: false, partitions: [] });
    // On a busy machine the time may be over before its replicas are known.
    expect(live.replicas.filter(({ state }) => state !== 'silent')).toEqual([]);
    told += live.replicas.length;
  }
  expect(told).toBeGreaterThan(0);
  await publisherOf(app, user).publish({ aggregateId: 'a', type: 'T', payload: 1 });
  await eventually('the event', () => handled.includes(user));
  const said = log.lines.filter((line) => line.includes('lacks the permission'));
  expect(said).toHaveLength(1);
  await app.close();
});

const fairClock = fairClockForAll();

test('an operator who may not ask is told that replicas are silent, before the time is over', async () => {
  const app = await serviceOf('unasked', 'all', new CapturedLog());
  const address = { topic: 'unasked', group: 'g' };
  await eventually('an owner', async () => (await operations.groups('unasked'))[0]?.owned === 1);
  const connection = { user: 'unasking', pass: 'pw' };
  const unasking = await connectOperations({ servers: server.url, connection });
  const before = fairClock().now();
  const live = await unasking.askGroup(address, { withinMs: 5_000 });
  expect(live.replicas).toEqual([expect.objectContaining({ state: 'silent' })]);
  expect(fairClock().now() - before).toBeLessThan(4_000);
  await unasking.close();
  await app.close();
});

test('garbage and floods change nothing, and the next question is answered', async () => {
  const log = new CapturedLog();
  const app = await serviceOf('flooded', 'all', log);
  const address = { topic: 'flooded', group: 'g' };
  await eventually('an owner', async () => (await operations.groups('flooded'))[0]?.owned === 1);
  const options = { servers: server.url, user: 'all', pass: 'pw' };
  const hostile = await Connection.open(options, 'hostile', silentLog);
  let answers = 0;
  const inbox = hostile.nats.createInbox();
  hostile.nats.subscribe(inbox, { callback: () => answers++ });
  const subject = 'aggregate-transport.flooded.g.ask';
  const garbage = ['', 'x', '{"v":1', '{"v":1,"ask":"group","worst":1e99}', Buffer.alloc(500_000, 'x')];
  for (let n = 0; n < 500; n++) hostile.publish(subject, garbage[n % garbage.length], { reply: inbox });
  for (let n = 0; n < 500; n++) hostile.publish(subject, '{"v":1,"ask":"group"}');
  const before = systemClock.now();
  for (let n = 0; n < 2_000; n++)
    hostile.publish(subject, '{"v":1,"ask":"group","worst":9}', { reply: inbox });
  await hostile.nats.flush();
  await eventually('an answer to a question after the flood', async () => {
    const live = await operations.askGroup(address);
    return live.isComplete && live.partitions.length === 1;
  });
  const seconds = Math.ceil((systemClock.now() - before) / 1_000) + 1;
  expect(answers).toBeGreaterThan(0);
  expect(answers).toBeLessThanOrEqual(50 * seconds);
  await publisherOf(app, 'flooded').publish({ aggregateId: 'a', type: 'T', payload: 1 });
  await eventually('the event', () => handled.includes('flooded'));
  expect(log.lines.filter((line) => /question|ERROR|error/.test(line))).toEqual([]);
  await hostile.close();
  await app.close();
});
