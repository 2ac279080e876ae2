import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { AggregateHandler, AggregateId, UnrecoverableError } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { readJsonLines } from '../support/json-lines.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const LIBRARY = 'libs/aggregate-transport';
const { bin } = JSON.parse(readFileSync(join(LIBRARY, 'package.json'), 'utf8')) as {
  bin: Record<string, string>;
};

function run(...args: string[]): Promise<{ code: number; output: string; errors: string }> {
  const command = [join(LIBRARY, bin['aggregate-transport']!), 'parked', ...args, '--server', server().url];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, command, (_error, output, errors) =>
      resolve({ code: child.exitCode ?? -1, output, errors }),
    );
    child.stdin?.end();
  });
}

test('an operator lists, shows, retries, skips and discards parked aggregates from the command line', async () => {
  const handled: string[] = [];
  let isMended = false;

  @Controller()
  class Handler {
    @AggregateHandler('cli')
    handle(@Payload() { n }: { n: number }, @AggregateId() id: string): void {
      if (!isMended || n === 0) throw new UnrecoverableError(new Error('no stock'));
      handled.push(`${id} ${n}`);
    }
  }
  const app = await startApp({
    options: { servers: server().url, group: 'shop', topics: { cli: { consume: { leaseTtlMs: 1_500 } } } },
    publishers: ['cli'],
    controllers: [Handler],
  });
  const publisher = publisherOf(app, 'cli');
  const at = ['--topic', 'cli', '--group', 'shop'];
  for (const aggregateId of ['order 1', 'order 2', 'order 3']) {
    await publisher.publish({
      aggregateId,
      type: 'Counted',
      payload: { n: aggregateId === 'order 2' ? 0 : 1 },
    });
    await publisher.publish({ aggregateId, type: 'Counted', payload: { n: 2 } });
  }
  await eventually('three parked aggregates with two letters each', async () => {
    const { output } = await run('list', '--json');
    return readJsonLines(output).filter(({ letters }) => letters === 2).length === 3;
  });
  const list = await run('list');
  expect(list.output).toMatch(/TOPIC +GROUP +AGGREGATE +STATE +REASON +LETTERS/);
  expect(list.output).toMatch(/cli +shop +order 1 +parked +UNRECOVERABLE +2 .*no stock/);
  expect((await run('show', ...at, 'order 1')).output).toContain('Counted {"n":1}');

  // Commands that drop something ask first, and here no answer comes.
  expect(await run('discard', ...at, 'order 3')).toMatchObject({
    code: 2,
    errors: expect.stringContaining('not confirmed'),
  });
  expect(await run('discard', ...at, 'order 3', '--yes')).toMatchObject({
    code: 0,
    output: expect.stringContaining('live'),
  });

  isMended = true;
  expect(await run('retry', '--all')).toMatchObject({
    code: 1,
    output: expect.stringContaining('order 2: failed again'),
  });
  expect(await run('skip', ...at, 'order 2', '--yes')).toMatchObject({ code: 0 });
  expect(await run('retry', ...at, 'order 2')).toMatchObject({ code: 0 });
  expect([...handled].sort()).toEqual(['order 1 1', 'order 1 2', 'order 2 2']);
  expect((await run('list')).output).toBe('no aggregate is parked\n');
  expect(await run('retry', ...at, 'order 1')).toMatchObject({
    code: 1,
    output: expect.stringContaining('NOT_PARKED'),
  });
  expect(await run('fix')).toMatchObject({ code: 2 });
  await app.close();
}, 60_000);
