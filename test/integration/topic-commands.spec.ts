import { afterEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'nats';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';
import type { AggregatePublisher, StoredEvent } from 'nestjs-aggregate-transport';
import type { INestApplication } from '@nestjs/common';
import { testBuild } from '../faults/harness/test-build.js';
import { publisherOf, startApp } from '../support/app.js';
import { runCommand } from '../support/command.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

// Commands are built code: needs `npm run build`.

const server = serverForAll();
const folder = mkdtempSync(join(tmpdir(), 'topic-commands-'));
const running: INestApplication[] = [];
const LIBRARY = 'libs/aggregate-transport';
const { bin } = JSON.parse(readFileSync(join(LIBRARY, 'package.json'), 'utf8')) as {
  bin: Record<string, string>;
};

afterEach(async () => {
  for (const app of running.splice(0)) await app.close();
});

function run(...args: string[]) {
  return runCommand({ args: [...args, '--server', server().url] });
}

/** Publishers, with room for what a topic is copied to as well. */
async function publishersOf(url: string, ...topics: string[]): Promise<AggregatePublisher[]> {
  const options = { servers: url, topics: Object.fromEntries(topics.map((topic) => [topic, {}])) };
  const app = await startApp({ options, publishers: topics });
  running.push(app);
  return topics.map((topic) => publisherOf(app, topic));
}

async function historyOf(publisher: AggregatePublisher, aggregateId: string): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of publisher.read(aggregateId)) events.push(event);
  return events;
}

/** The copy must catch up, on a machine that is busy. */
const MOST_EVENTS = 2_000;
const AGGREGATES = ['a', 'b', 'order 1', 'order.2'];

/** Publishes until it is told to stop. */
function publishing(publisher: AggregatePublisher): { readonly stop: () => Promise<number> } {
  const load = { isOver: false };
  let n = 0;
  const done = (async (): Promise<void> => {
    while (!load.isOver && n < MOST_EVENTS) {
      const events = AGGREGATES.map((aggregateId) => ({ aggregateId, type: 'Counted', payload: { n: ++n } }));
      await publisher.publishAll(events);
    }
  })();
  return {
    stop: async () => {
      load.isOver = true;
      await done;
      return n;
    },
  };
}

async function expectSame(from: AggregatePublisher, to: AggregatePublisher): Promise<number> {
  let count = 0;
  for (const aggregateId of AGGREGATES) {
    const [wanted, found] = await Promise.all([historyOf(from, aggregateId), historyOf(to, aggregateId)]);
    const of = (events: StoredEvent[]): unknown =>
      events.map(({ eventId, type, payload }) => [eventId, type, payload]);
    expect(of(found)).toEqual(of(wanted));
    count += wanted.length;
  }
  return count;
}

test('a copy that is killed again and again under load ends with each event once, in order', async () => {
  const [from] = await publishersOf(server().url, 'live');
  const load = publishing(from!);
  const command = [join(LIBRARY, bin['aggregate-transport']!), 'topic', 'copy', 'live', 'moved', '--follow'];
  for (let kill = 0; kill < 2; kill++) {
    const child = spawn(process.execPath, [...command, '--json', '--server', server().url], {
      stdio: 'ignore',
    });
    const before = await sizeOf('moved');
    await eventually('some more to be copied', async () => (await sizeOf('moved')) > before + 25);
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  for (const step of ['copy: event stored#1', 'copy: event stored#30']) {
    const args = ['topic', 'copy', 'live', 'moved', '--follow', '--server', server().url];
    const killed = await runCommand({ args, ...testBuild({ stopAt: `kill:${step}` }) });
    expect(killed.code).not.toBe(0);
  }
  const published = await load.stop();
  const done = await run('topic', 'copy', 'live', 'moved', '--until-caught-up', '--json');
  expect(done.code).toBe(0);
  const last = JSON.parse(done.output.trim().split('\n').at(-1)!) as {
    state: string;
    through: number;
    found: number;
  };
  expect(last).toMatchObject({ state: 'done', through: published });
  const [to] = await publishersOf(server().url, 'moved');
  expect(await expectSame(from!, to!)).toBe(published);

  // The old topic is still published to, and the copy continues; so does a publisher on the new one, when it is done.
  await from!.publish({ aggregateId: 'a', type: 'Counted', payload: { n: 0 } });
  expect((await run('topic', 'copy', 'live', 'moved')).output).toContain('1 events copied');
  await to!.publish({ aggregateId: 'a', type: 'Counted', payload: { n: -1 } });
  expect((await run('topic', 'copy', 'live', 'moved')).output).toContain('0 events copied');
  await from!.publish({ aggregateId: 'a', type: 'Counted', payload: { n: -2 } });
  expect(await run('topic', 'copy', 'live', 'moved')).toMatchObject({
    code: 1,
    errors: expect.stringMatching(/COPY_REFUSED.*"a"/),
  });
}, 90_000);

/** Events in a topic that may not be there yet. */
async function sizeOf(topic: string): Promise<number> {
  const connection = await connect({ servers: server().url });
  try {
    const info = await (await connection.jetstreamManager()).streams.info(topic).catch(() => undefined);
    return info?.state.messages ?? 0;
  } finally {
    await connection.close();
  }
}

test('a topic is copied to another server, with new ids, and a dry run writes nothing', async () => {
  const other = await startNatsServer();
  try {
    const [from] = await publishersOf(server().url, 'near');
    await from!.publishAll(
      AGGREGATES.map((aggregateId) => ({ aggregateId, type: 'Counted', payload: { aggregate_id: 'a' } })),
    );
    const names = join(folder, 'names.csv');
    writeFileSync(names, 'a,alpha\n"order 1",order-1\n');
    const args = ['topic', 'copy', 'near', 'near', '--to-server', other.url, '--rename-ids', names];
    expect(await run(...args, '--dry-run')).toMatchObject({
      code: 0,
      output: expect.stringContaining('counted, 4 events'),
    });
    const [to] = await publishersOf(other.url, 'near');
    expect(await historyOf(to!, 'b')).toEqual([]);
    expect(await run(...args)).toMatchObject({ code: 0, output: expect.stringContaining('4 events copied') });
    expect(await run(...args)).toMatchObject({ code: 0, output: expect.stringContaining('0 events copied') });
    for (const [old, renamed] of [
      ['a', 'alpha'],
      ['order 1', 'order-1'],
      ['b', 'b'],
    ] as const) {
      const [[before], [after]] = [await historyOf(from!, old), await historyOf(to!, renamed)];
      expect(after).toMatchObject({
        aggregateId: renamed,
        eventId: before!.eventId,
        payload: { aggregate_id: 'a' },
      });
    }
    writeFileSync(names, 'a,x\nb,x\n');
    expect(await run(...args)).toMatchObject({
      code: 2,
      errors: expect.stringContaining('cannot become one'),
    });
  } finally {
    await other.stop();
  }
}, 60_000);

test('topic edit changes what may be changed, names what is lost, and says what start-up expects', async () => {
  const [publisher] = await publishersOf(server().url, 'edited');
  for (let n = 0; n < 5; n++) await publisher!.publish({ aggregateId: 'a', type: 'Counted', payload: { n } });
  expect(await run('topic', 'edit', 'edited')).toMatchObject({ code: 2 });
  expect(await run('topic', 'edit', 'edited', '--storage', 'memory')).toMatchObject({
    code: 1,
    errors: expect.stringContaining('cannot move a stream from file to memory'),
  });
  expect(await run('topic', 'edit', 'edited', '--max-messages', '2')).toMatchObject({
    code: 2,
    output: expect.stringContaining('lost at once: the oldest 3 of 5 events'),
    errors: expect.stringContaining('not confirmed'),
  });
  const changed = await run(
    'topic',
    'edit',
    'edited',
    '--max-bytes',
    '2GiB',
    '--max-age',
    '7d',
    '--schedules',
    '--json',
  );
  expect(JSON.parse(changed.output)).toMatchObject({
    state: 'changed',
    changes: [
      { option: 'maxBytes', to: String(2 ** 31) },
      { option: 'maxAgeMs', to: String(7 * 86_400_000) },
      { option: 'schedules', from: 'off', to: 'on' },
    ],
    loses: [],
    notes: [
      expect.stringContaining('stream.maxBytes'),
      expect.stringContaining('stream.maxAgeMs'),
      expect.stringContaining('never turns'),
    ],
  });
  expect((await run('topic', 'edit', 'edited', '--schedules')).output).toContain('is so already');
  await publishersOf(server().url, 'edited');
  const strict = { servers: server().url, topics: { edited: { stream: { maxBytes: 1_048_576 } } } };
  await expect(startApp({ options: strict })).rejects.toMatchObject({ code: 'STREAM_MISMATCH' });
}, 60_000);
