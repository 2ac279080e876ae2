import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, expect, test } from '@jest/globals';
import { runCommand } from '../../support/command.js';
import { CountingService, numbersOf } from '../../support/counting-service.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

// Needs `npm run build`: the command is built code.

/** docs/operations.md, _Rebuilding without downtime_. */

const server = serverForAll();
const services: CountingService[] = [];
const EVENTS = 600;
const KEYS = 20;
const PAGE = readFileSync('docs/migrations.md', 'utf8');

afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.close()));
});

function group(...args: string[]): Promise<{ code: number; output: string; errors: string }> {
  return runCommand({ args: ['group', ...args, '--server', server().url] });
}

/** The command of docs/migrations.md, _Start over, rewind, rebuild_, with the names of this test. */
function commandOfPage(): string[] {
  const [, line = ''] = /transport group (follow orders billing-2 .*)$/m.exec(PAGE) ?? [];
  const names: Record<string, string> = { orders: 'rebuilt', billing: 'stock', 'billing-2': 'stock-v2' };
  return line.split(' ').map((word) => names[word] ?? word);
}

/** Numbers by aggregate in the order of their first time: a lease that is lost on a busy machine repeats some. */
function firstTimes(service: CountingService): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(service.since(0)).map(([id, numbers]) => [id, [...new Set(numbers)]]),
  );
}

test('a second group catches up beside the first, reads switch, and the first is deleted', async () => {
  const [old, made] = ['stock', 'stock-v2'].map(
    (name) => new CountingService({ url: server().url, topic: 'rebuilt', group: name }),
  ) as [CountingService, CountingService];
  services.push(old, made);
  await old.start();
  await old.publish(1, EVENTS, KEYS);
  await old.hasHandled(EVENTS);

  // The new version of the service, under a group of its own.
  let release: () => void = () => undefined;
  made.held = new Promise((resolve) => (release = resolve));
  await made.start();
  const early = await group('follow', 'rebuilt', 'stock-v2', '--until-caught-up', '--wait', '300', '--json');
  expect(early.code).toBe(1);
  const follow = group(...commandOfPage(), '--interval', '100', '--json');
  const load = made.publish(EVENTS + 1, EVENTS, KEYS);
  made.held = undefined;
  release();
  await load;
  const { code, output } = await follow;
  expect(code).toBe(0);
  const samples = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { caughtUp: boolean; waitsFor: string[]; beside: { group: string } });
  expect(samples.at(-1)).toMatchObject({ caughtUp: true, waitsFor: [], beside: { group: 'stock' } });
  expect(samples.slice(0, -1).every(({ caughtUp }) => !caughtUp)).toBe(true);
  const all = numbersOf(1, 2 * EVENTS, KEYS);
  for (const service of [old, made]) {
    await eventually('all to be handled', () => isDeepStrictEqual(firstTimes(service), all)).catch(
      () => undefined,
    );
    expect(firstTimes(service)).toEqual(all);
  }

  // An aggregate whose events wait as letters is missing in the new tables, however small the lag is.
  made.ill.add('order-7');
  await made.publish(2 * EVENTS + 7, 1, KEYS);
  await eventually(
    'it to be parked',
    async () => (await made.parked.list({ topic: 'rebuilt' })).length === 1,
  );
  const parked = await group('follow', 'rebuilt', 'stock-v2', '--until-caught-up', '--wait', '300');
  expect(parked).toMatchObject({
    code: 1,
    output: expect.stringContaining(
      'waits: 1 aggregate whose events wait as letters: order-7 (parked); see parked list, then parked retry, or',
    ),
  });
  const despite = ['follow', 'rebuilt', 'stock-v2', '--until-caught-up', '--max-parked', '1'];
  expect(await group(...despite)).toMatchObject({ code: 0, output: expect.stringContaining('caught up') });
  made.ill.clear();
  await made.parked.retryAll({ topic: 'rebuilt' });

  await old.close();
  expect(await group('delete', 'rebuilt', 'stock', '--yes')).toMatchObject({ code: 0 });
  expect(await group('follow', 'rebuilt', 'stock', '--until-caught-up')).toMatchObject({
    code: 1,
    errors: expect.stringContaining('found that it was deleted at'),
  });
  await eventually('its letter to be handled', () => firstTimes(made)['order-7']!.includes(2 * EVENTS + 7));
}, 60_000);
