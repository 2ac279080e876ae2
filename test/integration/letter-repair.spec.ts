import { expect, test } from '@jest/globals';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  ParkedAggregates,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { testBuild } from '../faults/harness/test-build.js';
import { publisherOf, startApp } from '../support/app.js';
import { runCommand } from '../support/command.js';
import { eventually } from '../support/eventually.js';
import { readJsonLines } from '../support/json-lines.js';
import { serverForAll } from '../support/server.js';

// Commands are built code: needs `npm run build`.

const server = serverForAll();
const folder = mkdtempSync(join(tmpdir(), 'letter-repair-'));

function run(...args: string[]) {
  return runCommand({ args: [...args, '--server', server().url], env: { EDITOR: '', VISUAL: '' } });
}

interface Order {
  n: number;
  price?: number;
}

test('an operator corrects payloads of parked events, and each keeps its place', async () => {
  const handled: string[] = [];

  @Controller()
  class Handler {
    @AggregateHandler('repair')
    handle(@Payload() order: Order, @AggregateId() id: string, @Ctx() ctx: AggregateContext): void {
      if (order.price === undefined) throw new UnrecoverableError(new Error('no price'));
      handled.push(`${id} ${order.n} ${order.price} ${ctx.sequence} ${ctx.edit?.comment ?? ''}`.trim());
    }
  }
  const app = await startApp({
    options: { servers: server().url, group: 'shop', topics: { repair: { consume: { leaseTtlMs: 1_500 } } } },
    publishers: ['repair'],
    controllers: [Handler],
  });
  const publisher = publisherOf(app, 'repair');
  const parked = app.get(ParkedAggregates);
  const sequences: number[] = [];
  for (const payload of [{ n: 1 }, { n: 2, price: 2 }, { n: 3 }, { n: 4, price: 4 }])
    sequences.push((await publisher.publish({ aggregateId: 'a/b', type: 'Priced', payload })).sequence);
  await publisher.publish({ aggregateId: 'c', type: 'Other', payload: { n: 1 } });
  await eventually('two parked aggregates', async () => {
    const found = await parked.list({ topic: 'repair' });
    return found.map(({ letters }) => letters).join() === '4,1';
  });

  expect((await parked.list({ topic: 'repair', type: 'Other' })).map((one) => one.aggregateId)).toEqual([
    'c',
  ]);
  const listed = await run('parked', 'list', '--json', '--filter', 'type=Priced,error=/NO PRICE/i');
  expect(readJsonLines(listed.output)).toMatchObject([{ aggregateId: 'a/b', letters: 4 }]);
  expect(await run('parked', 'list', '--filter', 'kind=Priced')).toMatchObject({ code: 2 });
  expect(await run('parked', 'list', '--filter', 'type=A', '--filter', 'type=B')).toMatchObject({ code: 2 });

  const place = 'repair/shop/a/b';
  const [first, , third] = sequences;
  expect(await run('parked', 'edit', place, '--payload', '{"n":1,"price":10}')).toMatchObject({
    code: 2,
    output: '+ price: 10\n',
    errors: expect.stringContaining('not confirmed'),
  });
  const dry = await run('parked', 'edit', place, '--payload', '{"n":1,"price":10}', '--dry-run', '--json');
  expect(JSON.parse(dry.output)).toMatchObject({
    sequence: first,
    outcome: 'dry-run',
    changes: [{ path: 'price', after: '10' }],
  });
  const edited = await run(
    'parked',
    'edit',
    place,
    '--payload',
    '{"n":1,"price":10}',
    '--comment',
    'agreed by phone',
    '--yes',
  );
  expect(edited).toMatchObject({
    code: 0,
    output: expect.stringContaining(`letter ${first} of "a/b" is edited`),
  });
  const file = join(folder, 'third.json');
  writeFileSync(file, '{"n":3,"price":30}');
  expect(await run('parked', 'edit', place, '--sequence', `${third}`, '--file', file, '--yes')).toMatchObject(
    { code: 0 },
  );
  expect(await run('parked', 'edit', place, '--sequence', '9999', '--file', file, '--yes')).toMatchObject({
    code: 1,
    errors: expect.stringContaining('LETTER_UNKNOWN'),
  });
  const shown = (await run('parked', 'show', '--topic', 'repair', '--group', 'shop', 'a/b')).output;
  expect(shown).toMatch(
    /replaced by edit .*\{"n":1\}\n.*edit .*: agreed by phone +Priced \{"n":1,"price":10\}/,
  );

  expect(await run('parked', 'retry', '--all', '--filter', 'type=Priced')).toMatchObject({ code: 0 });
  expect(handled).toEqual([
    `a/b 1 10 ${first} agreed by phone`,
    `a/b 2 2 ${sequences[1]}`,
    `a/b 3 30 ${third}`,
    `a/b 4 4 ${sequences[3]}`,
  ]);
  const history: unknown[] = [];
  for await (const { sequence, edit, replacedBy, event } of parked.edits({
    topic: 'repair',
    aggregateId: 'a/b',
  }))
    history.push([
      sequence,
      replacedBy === undefined ? edit!.comment : 'replaced',
      (event!.payload as Order).price,
    ]);
  expect(history).toEqual([
    [first, 'agreed by phone', 10],
    [third, undefined, 30],
    [first, 'replaced', undefined],
    [third, 'replaced', undefined],
  ]);

  // An edit whose command is killed was never made, or stands whole.
  const other = [
    'parked',
    'edit',
    'repair/shop/c',
    '--payload',
    '{"n":1,"price":6}',
    '--yes',
    '--server',
    server().url,
  ];
  for (const [step, edits] of [
    ['edit: stored', 0],
    ['edit: taken', 1],
  ] as const) {
    const killed = await runCommand({ args: other, ...testBuild({ stopAt: `kill:${step}` }) });
    expect(killed.code).not.toBe(0);
    let found = 0;
    for await (const { edit } of parked.letters({ topic: 'repair', aggregateId: 'c' }))
      if (edit !== undefined) found++;
    expect([step, found]).toEqual([step, edits]);
  }
  await parked.edit({ topic: 'repair', aggregateId: 'c' }, { n: 1, price: 7 });
  const huge = { n: 1, pad: 'x'.repeat(1_048_576 - 8_192) };
  await expect(parked.edit({ topic: 'repair', aggregateId: 'c' }, huge)).rejects.toMatchObject({
    code: 'EVENT_TOO_LARGE',
  });
  expect(await parked.retry({ topic: 'repair', aggregateId: 'c' })).toEqual({ outcome: 'unparked' });
  expect(handled.at(-1)).toContain('c 1 7');
  await app.close();
}, 60_000);
