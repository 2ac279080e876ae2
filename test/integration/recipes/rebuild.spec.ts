import { afterEach, expect, test } from '@jest/globals';
import { runCommand } from '../../support/command.js';
import { CountingService, numbersOf } from '../../support/counting-service.js';
import { serverForAll } from '../../support/server.js';

// Needs `npm run build`: the command is built code.

/** docs/operations/groups.md, _Rebuilding without downtime_. */

const server = serverForAll();
const services: CountingService[] = [];
const EVENTS = 600;
const KEYS = 20;

afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.close()));
});

function group(...args: string[]): Promise<{ code: number; output: string; errors: string }> {
  return runCommand({ args: ['group', ...args, '--server', server().url] });
}

/** What a projection holds: per aggregate the last number, and how many events went into it. */
function rowsOf(service: CountingService): Record<string, [last: number, count: number]> {
  return Object.fromEntries(
    Object.entries(service.since(0)).map(([id, numbers]) => [id, [numbers.at(-1)!, numbers.length]]),
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
  const follow = group(
    ...['follow', 'rebuilt', 'stock-v2', '--until-caught-up', '--with', 'stock'],
    ...['--max-lag', '0', '--interval', '100', '--json'],
  );
  const load = made.publish(EVENTS + 1, EVENTS, KEYS);
  made.held = undefined;
  release();
  await load;
  const { code, output } = await follow;
  expect(code).toBe(0);
  const samples = output
    .trim()
    .split('\n')
    .map(
      (line) => JSON.parse(line) as { caughtUp: boolean; group: { lag: number }; beside: { group: string } },
    );
  expect(samples.at(-1)).toMatchObject({ caughtUp: true, group: { lag: 0 }, beside: { group: 'stock' } });
  expect(samples.slice(0, -1).every(({ caughtUp }) => !caughtUp)).toBe(true);
  await Promise.all([old, made].map((service) => service.hasHandled(2 * EVENTS)));

  expect(made.since(0)).toEqual(numbersOf(1, 2 * EVENTS, KEYS));
  expect(rowsOf(made)).toEqual(rowsOf(old));
  await old.close();
  expect(await group('delete', 'rebuilt', 'stock', '--yes')).toMatchObject({ code: 0 });
  await made.publish(2 * EVENTS + 1, KEYS, KEYS);
  await made.hasHandled(2 * EVENTS + KEYS);
  expect(made.since(0)).toEqual(numbersOf(1, 2 * EVENTS + KEYS, KEYS));
}, 60_000);
