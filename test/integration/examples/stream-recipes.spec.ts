import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';
import { diesWithParent } from '#library/verifying/harness/dies-with-parent.js';
import type { AggregatePublisher, StoredEvent } from 'nestjs-aggregate-transport';
import { runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { kitchenForEach } from './recipe.js';

// The recipes of docs/recipes that need a nats-server only, each broken in its own way.

const nats = serverForAll();
const kitchen = kitchenForEach();

async function historyOf(publisher: AggregatePublisher, id: string): Promise<StoredEvent[]> {
  const found: StoredEvent[] = [];
  for await (const event of publisher.read(id)) found.push(event);
  return found;
}

test('a saga takes each step once, though it is killed in the middle of both and handles all of it again', async () => {
  const trips = await kitchen.publisher(nats().url, 'trips');
  const payments = await kitchen.publisher(nats().url, 'payments');
  const ids = Array.from({ length: 40 }, (_, index) => `trip-${index}`);
  const env = { NATS_URL: nats().url };
  const follow = async (topic: string): Promise<void> => {
    const args = ['follow', topic, 'trip-saga', '--until-caught-up', '--max-lag', '0', '--interval', '100'];
    expect(await runCommand({ args: ['group', ...args, '--server', nats().url] })).toMatchObject({ code: 0 });
  };
  const isCancelled = async (id: string): Promise<boolean> => (await historyOf(trips, id)).length > 1;

  const killed = await kitchen.start('saga-step', env);
  const published = Promise.all([
    trips.publishAll(
      ids.map((aggregateId) => ({ aggregateId, type: 'TripBooked', payload: { cents: 100 } })),
    ),
    payments.publishAll(
      ids.map((trip) => {
        const payload = { trip, reason: 'no money' };
        return { aggregateId: `pay-${trip}`, type: 'PaymentFailed', payload };
      }),
    ),
  ]);
  await eventually('the first steps', () => isCancelled('trip-0'));
  await killed.kill();
  await published;
  const next = await kitchen.start('saga-step', env);
  await Promise.all([follow('trips'), follow('payments')]);
  await next.stop();
  // Everything once more: every step finds that its event is stored.
  for (const topic of ['trips', 'payments']) {
    const reset = ['group', 'reset', topic, 'trip-saga', '--to', 'start', '--yes', '--server', nats().url];
    expect(await runCommand({ args: reset })).toMatchObject({ code: 0 });
  }
  await kitchen.start('saga-step', env);
  await Promise.all([follow('trips'), follow('payments')]);
  for (const id of ids) {
    const events = [...(await historyOf(trips, id)), ...(await historyOf(payments, `pay-${id}`))];
    expect(events.map(({ type }) => type).toSorted()).toEqual([
      ...['PaymentAsked', 'PaymentFailed'],
      ...['TripBooked', 'TripCancelled'],
    ]);
  }
}, 60_000);

interface Heard {
  readonly path: string;
  readonly n: number;
  readonly key: string;
}

/** Customers' endpoints: notes what was accepted, and answers as each path is told to. */
async function endpoints(): Promise<{
  url: string;
  accepted: Heard[];
  refused: Heard[];
  statusOf: Map<string, number>;
}> {
  const accepted: Heard[] = [];
  const refused: Heard[] = [];
  const statusOf = new Map<string, number>();
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const path = request.url ?? '';
      const status = statusOf.get(path) ?? 200;
      const { n } = JSON.parse(body) as { n: number };
      (status === 200 ? accepted : refused).push({
        path,
        n,
        key: String(request.headers['idempotency-key']),
      });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  kitchen.keep({
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, accepted, refused, statusOf };
}

test('each endpoint hears its webhooks in order; one that is down or gone holds up no other', async () => {
  const { url, accepted, refused, statusOf } = await endpoints();
  statusOf.set('/down', 503).set('/gone', 410);
  const env = { NATS_URL: nats().url };
  const publisher = await kitchen.publisher(nats().url, 'webhooks');
  const first = await kitchen.start('webhooks', env);
  const each = 30;
  const published = publisher.publishAll(
    Array.from({ length: 4 * each }, (_, index) => {
      const path = ['/well', '/down', '/gone', '/other'][index % 4]!;
      const payload = { url: url + path, body: { n: Math.floor(index / 4) + 1 } };
      return { aggregateId: `endpoint-${path.slice(1)}`, type: 'Notice', payload };
    }),
  );
  const heardBy = (path: string) => accepted.filter((heard) => heard.path === path);
  await eventually('some webhooks', () => heardBy('/well').length > 3);
  await first.kill();
  await published;
  await kitchen.start('webhooks', env);
  const keysOf = (path: string) => new Set(heardBy(path).map(({ key }) => key));
  for (const path of ['/well', '/other'])
    await eventually(`all webhooks of ${path}`, () => keysOf(path).size === each);
  expect(heardBy('/down')).toEqual([]);
  expect(new Set(refused.filter(({ path }) => path === '/down').map(({ n }) => n))).toEqual(new Set([1]));
  statusOf.delete('/down');
  await eventually('all webhooks of /down', () => keysOf('/down').size === each);
  for (const path of ['/well', '/other', '/down']) {
    // A crash repeats what was not settled, in order; a receiver tells repeats by their keys.
    const seen = new Set<string>();
    const fresh = heardBy(path).filter(({ key }) => !seen.has(key) && seen.add(key));
    expect(fresh.map(({ n }) => n)).toEqual(Array.from({ length: each }, (_, index) => index + 1));
  }
  const list = ['parked', 'list', '--topic', 'webhooks', '--group', 'webhook-sender', '--json'];
  const { output } = await runCommand({ args: [...list, '--server', nats().url] });
  expect(output).toContain('"endpoint-gone"');
  expect(output).not.toContain('"endpoint-down"');
}, 60_000);

test('an import that is killed and run again stores each line once, in order', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'import-'));
  kitchen.keep({ close: () => rmSync(folder, { recursive: true }) });
  const file = join(folder, 'meters.jsonl');
  const [meters, lines] = [25, 12_000];
  writeFileSync(
    file,
    Array.from(
      { length: lines },
      (_, n) => `${JSON.stringify({ meter: `m-${n % meters}`, watts: n })}\n`,
    ).join(''),
  );
  const run = () => {
    const args = ['dist/docs/examples/recipes/batch-import.js', file, 'meters'];
    const child = spawn(process.execPath, args, {
      stdio: 'pipe',
      env: { ...process.env, NATS_URL: nats().url },
    });
    diesWithParent(child);
    return { child, output: text(child.stdout), ended: once(child, 'exit') };
  };
  const publisher = await kitchen.publisher(nats().url, 'readings');
  let last = 0;
  for (let kills = 0; kills < 2; kills++) {
    const { child, ended } = run();
    await eventually(
      'some lines to be stored',
      async () => (await publisher.lastSequence('m-0')) > last + 500,
    );
    child.kill('SIGKILL');
    await ended;
    last = await publisher.lastSequence('m-0');
  }
  expect(existsSync(`${file}.done`)).toBe(true);
  const { output, ended } = run();
  expect([await ended, await output]).toEqual([[0, null], `${lines} lines are stored\n`]);
  for (let meter = 0; meter < meters; meter++) {
    const watts = (await historyOf(publisher, `m-${meter}`)).map(
      ({ payload }) => (payload as { watts: number }).watts,
    );
    expect(watts).toEqual(Array.from({ length: lines / meters }, (_, index) => index * meters + meter));
  }
}, 60_000);
