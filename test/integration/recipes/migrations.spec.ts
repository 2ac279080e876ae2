import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { partitionOf } from 'nestjs-aggregate-transport';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { Service, walkOn } from './walk.js';

// Needs `npm run build`: the command is built code.

/** docs/migrations.md: each test runs the commands of its section, as they stand there, in their order. */

let server: NatsServer;
const { service, operator } = walkOn(() => server);
beforeEach(async () => {
  server = await startNatsServer();
});
afterEach(() => server.stop());

const PAGE = readFileSync('docs/migrations.md', 'utf8');

/** The commands of a section. Ids of the page are longer than those of the walk. */
function commandsOf(heading: string, renamed: Readonly<Record<string, string>> = {}): string[][] {
  const [, section = ''] = PAGE.split(`\n## ${heading}\n`);
  const [own = ''] = section.split('\n## ');
  const lines = [...own.matchAll(/^ *npx aggregate-transport (.*)$/gm)].map(([, line = '']) => line);
  expect(lines).not.toEqual([]);
  return lines.map((line) =>
    line
      .replace(/ +#.*$/, '')
      .split(' ')
      .map((word) => word.replaceAll("'", ''))
      .map((word) => renamed[word] ?? word),
  );
}

async function succeed(args: readonly string[] = [], ...more: readonly string[]): Promise<string> {
  const { code, output, errors } = await runCommand({ args: [...args, ...more, '--server', server.url] });
  expect({ args, code, errors }).toEqual({ args, code: 0, errors: '' });
  return output;
}

/** The numbers of an aggregate's events in a topic, in order. */
async function historyOf(topic: string, aggregateId: string, url = server.url): Promise<number[]> {
  const args = ['aggregate', 'show', '--topic', topic, aggregateId, '--payloads', '--json', '--server', url];
  const { output } = await runCommand({ args });
  return [...output.matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n));
}

test('every section of the page has its test', () => {
  const walked = [
    ...['Rename a topic', 'Split a topic', 'Merge topics', 'Move to another cluster'],
    ...["Delete a customer's data", 'Change the number of partitions', 'Upgrade the library'],
    // integration/shapes, "over a rolling deploy"; rebuild.spec.ts, with the command of the page.
    ...['Change a payload', 'Start over, rewind, rebuild'],
  ];
  expect([...PAGE.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading).toSorted()).toEqual(
    walked.toSorted(),
  );
});

test('a topic gets another name, in order and without a repeat', async () => {
  const [copy, follow, parked, forget] = commandsOf('Rename a topic');
  const old = service('orders');
  await old.start();
  await old.publish('a1', 'b1', 'a2');
  await succeed(copy);
  old.broken.add('b2');
  await old.publish('a3', 'b2');

  // What is parked stays with the old topic: step 3 waits for it, and names it.
  await old.hasLetters('b', 1);
  const early = await runCommand({ args: [...follow!, '--wait', '300', '--server', server.url] });
  expect([early.code, early.output]).toEqual([1, expect.stringContaining('wait as letters: b (parked)')]);
  old.broken.clear();
  await old.parked.retry({ topic: 'orders', aggregateId: 'b' });
  await succeed(follow);
  expect(await succeed(parked)).toContain('no aggregate is parked');
  await succeed(copy);
  await old.hasHandled('a1', 'b1', 'a2', 'a3', 'b2');
  await old.stop();

  const renamed = service('sales', { consume: { startAt: 'new' } });
  await renamed.start();
  await renamed.publish('a4', 'b3');
  await renamed.hasHandled('a4', 'b3');
  expect(await historyOf('sales', 'a')).toEqual([1, 2, 3, 4]);
  await succeed(forget, '--yes');
  expect(await succeed(['group', 'list', '--topic', 'orders'])).toMatch(/orders +billing +deleted/);
});

test('a topic is split, and an aggregate that has moved is purged', async () => {
  const [copy, purge] = commandsOf('Split a topic', { 'pay-*': 'p*', 'pay-1': 'p' });
  const shop = service('shop');
  await shop.start();
  await shop.publish('a1', 'p1', 'p2');
  await shop.hasHandled('a1', 'p1', 'p2');
  await succeed(copy);
  const payments = service('payments', { consume: { startAt: 'new' } });
  await payments.start();
  await payments.publish('p3');
  await payments.hasHandled('p3');
  expect(await historyOf('payments', 'p')).toEqual([1, 2, 3]);
  expect(await historyOf('payments', 'a')).toEqual([]);
  await succeed(purge, '--yes');
  expect(await historyOf('shop', 'p')).toEqual([]);
  await shop.publish('a2');
  await shop.hasHandled('a1', 'p1', 'p2', 'a2');
  await shop.hasHealth();
});

test('two topics become one, and no aggregate has events of both', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ids-'));
  const ids = join(folder, 'phone-ids.csv');
  try {
    const [web, phone] = commandsOf('Merge topics', { 'phone-ids.csv': ids });
    for (const topic of ['web', 'phone']) {
      const one = service(topic);
      await one.start();
      await one.publish('a1', 'a2');
      await one.hasHandled('a1', 'a2');
      await one.stop();
    }
    await succeed(web);
    writeFileSync(ids, 'b,z\n');
    const refused = await runCommand({ args: [...phone!, '--server', server.url] });
    expect([refused.code, refused.errors]).toEqual([1, expect.stringContaining('"a"')]);
    writeFileSync(ids, 'a,p\n');
    await succeed(phone);
    expect([await historyOf('orders', 'a'), await historyOf('orders', 'p')]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a topic moves to another server', async () => {
  const other = await startNatsServer();
  try {
    const [copy] = commandsOf('Move to another cluster', { 'nats://new:4222': other.url });
    const old = service('orders');
    await old.start();
    await old.publish('a1', 'b1', 'a2');
    await old.hasHandled('a1', 'b1', 'a2');
    await old.stop();
    await succeed(copy);
    const opened: { close(): Promise<unknown> }[] = [];
    const moved = new Service('orders', () => other.url, { consume: { startAt: 'new' } }, opened);
    await moved.start();
    try {
      await moved.publish('a3');
      await moved.hasHandled('a3');
      expect(await historyOf('orders', 'a', other.url)).toEqual([1, 2, 3]);
    } finally {
      await moved.stop();
    }
  } finally {
    await other.stop();
  }
});

test("a customer's data is shown, and removed from every group", async () => {
  const [show, purge] = commandsOf("Delete a customer's data", { 'customer-7': 'c' });
  const orders = service('orders');
  orders.broken.add('c2');
  await orders.start();
  await orders.publish('c1', 'c2', 'c3', 'd1');
  await orders.hasLetters('c', 2);
  expect(await succeed(show)).toContain('billing');
  await succeed(purge, '--yes');
  expect(await historyOf('orders', 'c')).toEqual([]);
  await orders.publish('d2');
  await orders.hasHandled('c1', 'd1', 'd2');
  await orders.hasHealth();
});

test('the number of partitions changes', async () => {
  const [repartition] = commandsOf('Change the number of partitions');
  const orders = service('orders');
  await orders.start();
  await orders.publish('a1', 'b1');
  await orders.hasHandled('a1', 'b1');
  await succeed(repartition, '--yes');
  await orders.publish('a2');
  await orders.hasHandled('a1', 'b1', 'a2');
});

test('a replica leaves a partition alone whose record a newer release wrote, and says so', async () => {
  const orders = service('orders', { consume: { partitions: 2 } });
  await orders.start();
  const inPartition = (partition: number): string =>
    Array.from('abcdefgh').find((id) => partitionOf(id, 2) === partition)!;
  const [first, second] = [inPartition(0), inPartition(1)];
  await orders.publish(`${first}1`, `${second}1`);
  await eventually('both to be handled', () => orders.handled.length === 2);
  await orders.stop();

  const nats = await operator();
  const subject = '$KV.orders_positions.billing.0.2.0';
  const { streams } = await nats.jetstreamManager();
  const { data } = await streams.getMessage('orders_positions', { last_by_subj: subject });
  const record = JSON.parse(Buffer.from(data).toString()) as { v: number };
  await nats.jetstream().publish(subject, JSON.stringify({ ...record, v: 2 }));

  const older = service('orders', { consume: { partitions: 2 } });
  await older.start();
  await older.publish(`${first}2`, `${second}2`);
  await older.hasHandled(`${second}2`);
  await older.says(/expected a position of format 1, found format 2: a newer release wrote it/);
  await nats.jetstream().publish(subject, JSON.stringify(record));
  await older.stop();
  const upgraded = service('orders', { consume: { partitions: 2 } });
  await upgraded.start();
  await upgraded.hasHandled(`${first}2`);
});
