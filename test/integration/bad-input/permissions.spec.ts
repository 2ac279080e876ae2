import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { AggregateHandler, AggregateId, ParkedAggregates } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { SubjectTap } from '../../support/subject-tap.js';

/** What docs/operations/permissions.md asks for, and nothing else. */
const PUBLISHER = {
  publish: [
    'topic.>',
    '$JS.API.STREAM.INFO.topic',
    '$JS.API.STREAM.MSG.GET.topic',
    '$JS.API.DIRECT.GET.topic',
  ],
  subscribe: ['_INBOX.>'],
};
const KEYS = ['$KV.aggregate-transport.>', '$KV.topic_positions.>', '$KV.aggregate-transport-parked.>'];
const HANDLER = {
  publish: [
    ...PUBLISHER.publish,
    ...KEYS,
    'topic_parked.>',
    '$JS.API.STREAM.INFO.*',
    '$JS.API.STREAM.MSG.GET.*',
    '$JS.API.STREAM.MSG.DELETE.topic_parked',
    '$JS.API.STREAM.MSG.DELETE.KV_aggregate-transport-parked',
    '$JS.API.DIRECT.GET.topic_parked',
    '$JS.API.STREAM.PURGE.topic_parked',
    '$JS.API.STREAM.PURGE.KV_aggregate-transport',
    '$JS.API.CONSUMER.CREATE.topic.>',
    '$JS.API.CONSUMER.MSG.NEXT.topic.>',
    '$JS.API.CONSUMER.DELETE.topic.>',
    '$JS.API.CONSUMER.INFO.topic.>',
    '$JS.API.CONSUMER.NAMES.topic',
  ],
  // Without the last one a service works, and does not hear what operators ask.
  subscribe: [...PUBLISHER.subscribe, ...KEYS, 'aggregate-transport.topic.*.ask'],
};
/** Until all streams exist. */
const CREATE = '$JS.API.STREAM.CREATE.*';
const withCreate = ({ publish, subscribe }: typeof HANDLER) => ({ publish: [...publish, CREATE], subscribe });

const users = {
  publisher: PUBLISHER,
  handler: HANDLER,
  'making publisher': withCreate(PUBLISHER),
  'making handler': withCreate(HANDLER),
};
const server = serverForAll({
  config: `
    accounts {
      MAIN: {
        jetstream: enabled
        users: ${JSON.stringify(
          Object.entries(users).map(([user, permissions]) => ({ user, password: 'pw', permissions })),
        )}
      }
    }`,
});
const taps: SubjectTap[] = [];
afterAll(() => Promise.all(taps.map((tap) => tap.close())));

async function tapped(): Promise<SubjectTap> {
  const tap = await SubjectTap.listen(server().port);
  taps.push(tap);
  return tap;
}

/** True if the filter, with its wildcards, admits the subject or the narrower filter. */
function admits(filter: string, subject: string): boolean {
  const [wanted, found] = [filter.split('.'), subject.split('.')];
  const rest = wanted.at(-1) === '>';
  if (rest ? found.length < wanted.length : found.length !== wanted.length) return false;
  return wanted.every((token, index) => token === '*' || token === '>' || token === found[index]);
}

function between(text: string, from: string, to: string): string {
  const start = text.indexOf(from);
  return start < 0 ? '' : text.slice(start, text.indexOf(to, start + from.length));
}

test('docs/operations/permissions.md lists these permissions, and no others', () => {
  const page = readFileSync('docs/operations/permissions.md', 'utf8');
  const section = between(page, '# Permissions', 'The command line needs');
  const named = [...section.matchAll(/`([^`]+)`/g)]
    .map(([, text = '']) => text.replaceAll('<topic>', 'topic'))
    .filter((text) => /^(\$KV|\$JS\.API|_INBOX|topic|aggregate-transport\.topic\.\*)/.test(text));
  expect([...new Set(named)].sort()).toEqual(
    [...new Set([...HANDLER.publish, ...HANDLER.subscribe, CREATE])].sort(),
  );
});

test('with these permissions a service publishes, handles, parks, retries, dies and comes back, and each is used', async () => {
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
  const [publishers, handlers] = [await tapped(), await tapped()];
  const as = (user: keyof typeof users, tap: SubjectTap) => ({
    connection: { user, pass: 'pw' },
    servers: tap.url,
    topics: { topic: {} },
  });
  const handling = (user: 'handler' | 'making handler') =>
    startApp({ options: { ...as(user, handlers), group: 'g' }, controllers: [Handler], logger: log });
  const publishing = (user: 'publisher' | 'making publisher') =>
    startApp({ options: as(user, publishers), publishers: ['topic'], logger: log });

  await (await publishing('making publisher')).close();
  const publisherApp = await publishing('publisher');
  const publisher = publisherOf(publisherApp, 'topic');
  const publish = (aggregateId: string) => publisher.publish({ aggregateId, type: 'T', payload: 1 });
  await (await handling('making handler')).close();

  let app = await handling('handler');
  const letters = 8;
  for (const id of ['sound', ...Array<string>(letters).fill('broken')]) await publish(id);
  expect(await publisher.lastSequence('sound')).toBeGreaterThan(0);
  for await (const { aggregateId } of publisher.read('broken')) expect(aggregateId).toBe('broken');
  const parked = () => app.get(ParkedAggregates);
  await eventually('all letters are stored', async () => {
    const [found] = await parked().list({ topic: 'topic' });
    return found?.letters === letters;
  });
  await app.close();
  app = await handling('handler');
  // One letter is removed by itself, several by one purge.
  expect(await parked().skipHead({ topic: 'topic', aggregateId: 'broken' })).toEqual({ outcome: 'parked' });
  broken = false;
  expect(await parked().retry({ topic: 'topic', aggregateId: 'broken' })).toEqual({ outcome: 'unparked' });
  await publish('broken');
  await eventually('everything is handled', () => handled.length === letters + 1);
  expect(handled).toEqual(['sound', ...Array<string>(letters).fill('broken')]);
  // Readers are looked at every few seconds.
  await eventually('a look at the reader', () =>
    [...handlers.published].some((subject) => subject.startsWith('$JS.API.CONSUMER.INFO.')),
  );
  await app.close();
  await publisherApp.close();
  expect(log.lines.filter((line) => /permission/i.test(line))).toEqual([]);

  const unused = (allowed: readonly string[], used: ReadonlySet<string>): string[] =>
    allowed.filter((filter) => ![...used].some((subject) => admits(filter, subject)));
  expect(unused([...PUBLISHER.publish, CREATE], publishers.published)).toEqual([]);
  expect(unused(PUBLISHER.subscribe, publishers.subscribed)).toEqual([]);
  expect(unused(HANDLER.publish, new Set([...handlers.published, ...publishers.published]))).toEqual([]);
  expect(unused(HANDLER.subscribe, handlers.subscribed)).toEqual([]);
}, 60_000);
