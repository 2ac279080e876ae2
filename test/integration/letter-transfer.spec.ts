import { afterAll, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  ParkedAggregates,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { connect } from 'nats';
import { publisherOf, startApp } from '../support/app.js';
import { runCommand } from '../support/command.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';
import { backUp, restore } from '../support/stream-backup.js';

// Commands are built code: needs `npm run build`.

const server = serverForAll();
const file = join(mkdtempSync(join(tmpdir(), 'letter-transfer-')), 'letters.jsonl');
let other: NatsServer | undefined;

const running: INestApplication[] = [];

afterAll(async () => {
  await Promise.all(running.map((app) => app.close()));
  await other?.stop();
});

let isMended = false;
const handled: string[] = [];

@Controller()
class Handler {
  @AggregateHandler('kept')
  handle(@Payload() { n }: { n: number }, @Ctx() { aggregateId, sequence }: AggregateContext): void {
    if (!isMended && n > 1 && aggregateId !== 'well') throw new UnrecoverableError(new Error('no stock'));
    handled.push(`${aggregateId} ${n} ${sequence}`);
  }
}

async function start({ url }: NatsServer): Promise<INestApplication> {
  const options = { servers: url, group: 'shop', topics: { kept: { consume: { leaseTtlMs: 1_500 } } } };
  const app = await startApp({ options, publishers: ['kept'], controllers: [Handler] });
  running.push(app);
  return app;
}

test('letters of a lost parked stream come back on a restored server, in order and once', async () => {
  const first = await start(server());
  const publisher = publisherOf(first, 'kept');
  for (const n of [1, 2, 3])
    for (const aggregateId of ['a', 'b', 'well'])
      await publisher.publish({ aggregateId, type: 'Counted', payload: { n } });
  await eventually('two aggregates with two letters', async () => {
    const found = await first.get(ParkedAggregates).list({ topic: 'kept' });
    return found.map(({ letters }) => letters).join() === '2,2' && handled.length === 5;
  });
  await first.get(ParkedAggregates).edit({ topic: 'kept', aggregateId: 'a' }, { n: 20 });
  expect(
    (await runCommand({ args: ['parked', 'export', 'kept/shop', '--file', file, '--server', server().url] }))
      .output,
  ).toContain('2 aggregates, 4 letters');
  await first.close();
  expect(
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.includes('"kind":"letter"')),
  ).toHaveLength(4);
  const again = await runCommand({ args: ['parked', 'import', file, '--yes', '--server', server().url] });
  expect(again).toMatchObject({ code: 1, output: expect.stringContaining('letters of this very stream') });

  // Topic and positions are restored, the letters are not.
  other = await startNatsServer();
  const [from, to] = await Promise.all([connect({ servers: server().url }), connect({ servers: other.url })]);
  for (const stream of ['kept', 'kept_positions']) await restore(to, stream, await backUp(from, stream));
  await Promise.all([from.close(), to.close()]);
  const second = await start(other);
  const run = (...args: string[]) =>
    runCommand({ args: ['parked', 'import', file, ...args, '--server', other!.url] });
  expect(await run('--yes')).toMatchObject({
    code: 1,
    output: expect.stringMatching(/a: refused.*stop all replicas/),
  });
  // Of b another event is handled before its letters are back.
  await publisherOf(second, 'kept').publish({ aggregateId: 'b', type: 'Counted', payload: { n: 1 } });
  await eventually('it is handled', () => handled.length === 6);
  await second.close();

  expect(await run()).toMatchObject({ code: 2, errors: expect.stringContaining('not confirmed') });
  const imported = await run('--yes', '--json');
  expect(
    imported.output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
  ).toMatchObject([
    { aggregateId: 'a', outcome: 'imported', letters: 2 },
    {
      aggregateId: 'b',
      outcome: 'refused',
      why: expect.stringContaining('which is handled and comes after'),
    },
  ]);
  expect(await run('--yes')).toMatchObject({ output: expect.stringContaining('a: imported before') });

  isMended = true;
  const third = await start(other);
  await publisherOf(third, 'kept').publish({ aggregateId: 'a', type: 'Counted', payload: { n: 4 } });
  const parked = third.get(ParkedAggregates);
  await eventually(
    'the new event is a letter, too',
    async () => (await parked.list({ topic: 'kept' }))[0]?.letters === 3,
  );
  expect(await parked.retry({ topic: 'kept', aggregateId: 'a' })).toEqual({ outcome: 'unparked' });
  expect(handled.slice(6).map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
    'a 20',
    'a 3',
    'a 4',
  ]);
  await third.close();
  expect(await run('--yes')).toMatchObject({ output: expect.stringContaining('a: imported before') });
}, 120_000);
