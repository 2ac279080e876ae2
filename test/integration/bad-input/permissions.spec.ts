import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { AggregateHandler, AggregateId, ParkedAggregates } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

/** What docs/operations.md asks for, and nothing else. */
const PUBLISHER = { publish: ['topic.>', '$JS.API.>'], subscribe: ['_INBOX.>'] };
const KEYS = ['$KV.aggregate-transport.>', '$KV.aggregate-transport-parked.>'];
const HANDLER = {
  publish: [...PUBLISHER.publish, '$JS.ACK.topic.>', 'topic_parked.>', ...KEYS],
  subscribe: [...PUBLISHER.subscribe, ...KEYS],
};

const server = serverForAll({
  config: `
    accounts {
      MAIN: {
        jetstream: enabled
        users: [
          { user: publisher, password: pw, permissions: ${JSON.stringify(PUBLISHER)} }
          { user: handler, password: pw, permissions: ${JSON.stringify(HANDLER)} }
        ]
      }
    }`,
});
const as = (user: string) => ({ connection: { user, pass: 'pw' }, servers: server().url });

test('the subjects are those of docs/operations.md', () => {
  const [section = ''] = readFileSync('docs/operations.md', 'utf8').split('\n\n').slice(1);
  const named = [...section.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text.replace('<topic>', 'topic'));
  expect(named.filter((text) => text.endsWith('.>')).sort()).toEqual(
    [...new Set([...HANDLER.publish, ...HANDLER.subscribe])].sort(),
  );
});

test('with the permissions that docs/operations.md lists a service publishes, handles, parks, retries and comes back', async () => {
  const handled: string[] = [];
  let broken = true;

  @Controller()
  class Handler {
    @AggregateHandler('topic', { retry: { attempts: 1 } })
    handle(@AggregateId() id: string) {
      if (id === 'broken' && broken) throw new Error('not yet');
      handled.push(id);
    }
  }
  const log = new CapturedLog();
  const handling = () =>
    startApp({
      options: { ...as('handler'), group: 'g', topics: { topic: {} } },
      controllers: [Handler],
      logger: log,
    });
  const publishing = await startApp({
    options: { ...as('publisher'), topics: { topic: {} } },
    publishers: ['topic'],
    logger: log,
  });
  const publisher = publisherOf(publishing, 'topic');
  const publish = (aggregateId: string) => publisher.publish({ aggregateId, type: 'T', payload: 1 });

  let app = await handling();
  for (const id of ['broken', 'sound', 'broken']) await publish(id);
  const parked = () => app.get(ParkedAggregates);
  await eventually('both letters are stored', async () => {
    const [found] = await parked().list({ topic: 'topic' });
    return found?.letters === 2;
  });
  await app.close();
  app = await handling();
  broken = false;
  expect(await parked().retry({ topic: 'topic', aggregateId: 'broken' })).toEqual({ outcome: 'unparked' });
  await publish('broken');
  await eventually('everything is handled', () => handled.length === 4);
  expect(handled).toEqual(['sound', 'broken', 'broken', 'broken']);
  await app.close();
  await publishing.close();
  expect(log.lines.filter((line) => /permission/i.test(line))).toEqual([]);
});
