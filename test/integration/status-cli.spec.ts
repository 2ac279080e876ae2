import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'nats';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { AggregateHandler, AggregateId, UnrecoverableError } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { runScript } from '../support/run-script.js';
import { readJsonLines } from '../support/json-lines.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();
const MAIN = 'libs/aggregate-transport/dist/esm/cli/main.js';
const open: INestApplication[] = [];

afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

interface Row {
  partition: number;
  owner?: string;
  lease: string;
  epoch: number;
  lag?: number;
  parked: number;
  letters: number;
}

function run(...args: string[]): Promise<{ code: number | null; output: string }> {
  return runScript(MAIN, ['status', '--servers', server().url, ...args]);
}

async function rows(...args: string[]): Promise<Row[]> {
  const { output } = await run('--json', ...args);
  // Errors are in this output, too.
  const lines = output.split('\n').filter((line) => line.startsWith('{'));
  return readJsonLines(lines.join('\n')).filter(({ kind }) => kind === 'partition') as unknown as Row[];
}

test('an operator sees owner, epoch, lag and what is parked of every partition, without an application', async () => {
  expect(await run()).toEqual({ code: 0, output: 'no group has started yet\n' });
  expect(await run('--topic', 'sene')).toEqual({
    code: 0,
    output: 'no group has started yet on topic "sene"; check its name\n',
  });

  @Controller()
  class Handler {
    @AggregateHandler('seen')
    handle(@Payload() _payload: unknown, @AggregateId() id: string): void {
      if (id === 'hopeless') throw new UnrecoverableError(new Error('bad order'));
      if (id === 'failing') throw new Error('no stock');
    }
  }
  const consume = { leaseTtlMs: 1_500, partitions: 4 };
  const app = await startApp({
    options: { servers: server().url, group: 'shop', topics: { seen: { consume } } },
    publishers: ['seen'],
    controllers: [Handler],
  });
  open.push(app);
  const publisher = publisherOf(app, 'seen');
  for (const aggregateId of ['fine', 'hopeless', 'hopeless', 'failing'])
    await publisher.publish({ aggregateId, type: 'Counted', payload: {} });

  const sum = (found: Row[], of: (row: Row) => number): number =>
    found.reduce((all, row) => all + of(row), 0);
  let found: Row[] = [];
  await eventually('one aggregate parked with two letters, and a lag of one', async () => {
    found = await rows('--topic', 'seen');
    return sum(found, ({ letters }) => letters) === 2 && sum(found, ({ lag = 0 }) => lag) === 1;
  });
  expect(found.map(({ partition }) => partition)).toEqual([0, 1, 2, 3]);
  expect(sum(found, ({ parked }) => parked)).toBe(1);
  for (const row of found) expect(row).toMatchObject({ lease: 'held', epoch: 1, owner: expect.any(String) });
  expect(await rows('--group', 'another')).toEqual([]);

  const { code, output } = await run();
  expect(code).toBe(0);
  expect(output).toMatch(
    /^TOPIC +GROUP +PARTITION +OWNER +LEASE +EPOCH +RUN +AGE +LAG +UNSETTLED +OLDEST +PARKED +LETTERS\n/,
  );
  expect(output).toMatch(/seen +shop +3 +…[0-9a-f]{12} +held +1 /);
  expect(await run('everything')).toMatchObject({ code: 2 });

  await app.close();
  const nats = await connect({ servers: server().url });
  try {
    await (await nats.jetstreamManager()).streams.delete('seen');
  } finally {
    await nats.close();
  }
  // The group's record and leases outlive the stream.
  expect((await rows()).map(({ lease, owner, lag }) => [lease, owner, lag])).toEqual(
    Array(4).fill(['released', undefined, undefined]),
  );
}, 30_000);

describe('a group of which the server has lost a part', () => {
  async function startedAndStopped(topic: string): Promise<void> {
    let handled = 0;
    @Controller()
    class Handler {
      @AggregateHandler(topic)
      handle(): void {
        handled++;
      }
    }
    const app = await startApp({
      options: { servers: server().url, group: 'shop', topics: { [topic]: { consume: { partitions: 2 } } } },
      publishers: [topic],
      controllers: [Handler],
    });
    await publisherOf(app, topic).publish({ aggregateId: 'a', type: 'Counted', payload: {} });
    await eventually('handled', () => handled === 1);
    await app.close();
  }

  async function remove(stream: string): Promise<void> {
    const nats = await connect({ servers: server().url });
    await (await nats.jetstreamManager()).streams.delete(stream);
    await nats.close();
  }

  test('is told without its lag, with what is missing and what to do, and with exit code 1 where it was named', async () => {
    await startedAndStopped('halved');
    await remove('halved_positions');
    const { code, output } = await run('--topic', 'halved', '--group', 'shop');
    expect(code).toBe(1);
    expect(output).toMatch(/halved +shop +1 +- +released +1 +- +\d+ s +- +- +- /);
    expect(output).toMatch(
      /halved shop: stream "halved_positions" is missing, .* group reset halved shop --to start/,
    );
    expect((await run()).output).toContain('stream "halved_positions" is missing');
    const [row] = await rows('--group', 'shop', '--topic', 'halved');
    expect(row).toMatchObject({
      lease: 'released',
      missing: [expect.stringContaining('"halved_positions"')],
    });
    expect(row).not.toHaveProperty('lag');

    await startedAndStopped('ownerless');
    await remove('KV_aggregate-transport');
    const lost = await run('--topic', 'ownerless', '--group', 'shop');
    expect(lost.code).toBe(1);
    expect(lost.output).toContain('bucket "aggregate-transport" is missing, so no owner is known');
    const [ownerless] = await rows('--topic', 'ownerless');
    expect(ownerless).toMatchObject({ lease: 'none', lag: 0 });
    const unknown = await run('--group', 'another');
    expect(unknown.code).toBe(1);
    expect(unknown.output).toContain('GROUP_UNKNOWN: expected group "another" to have started');
  }, 60_000);
});

test('with --watch it looks again and again, and ends at SIGINT with 0', async () => {
  const child = spawn(process.execPath, [
    MAIN,
    'status',
    '--servers',
    server().url,
    '--watch',
    '--interval',
    '500',
  ]);
  try {
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await eventually('three looks', () => [...output.matchAll(/^\d{4}-\d\d-\d\dT/gm)].length >= 3);
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
}, 30_000);
