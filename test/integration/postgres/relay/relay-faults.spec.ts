import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { eventually } from '../../../support/eventually.js';
import { fairClockForAll } from '../../../support/fair-clock.js';
import { postgresForAll } from '../../../support/postgres.js';
import { relayFixtures } from '../../../support/relay.js';
import { serverForAll } from '../../../support/server.js';

/** Of the edited stream, and a time after which it has forgotten an id. */
const WINDOW_MS = 1_000;
const AFTER_WINDOW_MS = 2_500;

/** Commits that do not wait for the disk are lost in a crash, unless another one takes them along. */
const LOSING = { wal_writer_delay: '10s', wal_level: 'minimal', max_wal_senders: '0' };

const postgres = postgresForAll({ settings: LOSING });
const nats = serverForAll({});
const clock = fairClockForAll();
const fixture = relayFixtures(postgres, nats);

test('stores an event once if the relay is killed between send and mark, for longer than the window', async () => {
  const world = await fixture({ duplicateWindowMs: WINDOW_MS });
  const killed = world.process({ hold: 'after store' });
  await world.add('a:1', 'a:2', 'b:1');
  await killed.says('at the step');
  await eventually('both events to be stored', async () => (await world.stored('a')).length === 2);
  await killed.kill();
  await delay(AFTER_WINDOW_MS);
  expect(await world.unpublished()).toBe(3);
  world.relay();
  await world.add('a:3');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1', 'a:2', 'a:3']);
  expect(await world.stored('b')).toEqual(['b:1']);
});

test('takes over from a relay that is frozen, and its late copy is refused', async () => {
  const world = await fixture({ duplicateWindowMs: WINDOW_MS });
  const frozen = world.process({ hold: 'before send', silentForMs: 1_000 });
  await world.add('a:1', 'a:2');
  await frozen.says('at the step');
  frozen.signal('SIGSTOP');
  world.relay();
  await world.untilEmpty();
  await world.add('a:3');
  await world.untilEmpty();
  await delay(AFTER_WINDOW_MS);
  frozen.signal('SIGCONT');
  frozen.continue();
  // It finds its own events stored, or refused; in no case are they stored again.
  await frozen.says(/stored|SEQUENCE_CONFLICT/);
  await world.add('a:4');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1', 'a:2', 'a:3', 'a:4']);
});

test('stores each event once with two relays and a kill between them', async () => {
  const world = await fixture();
  const first = world.process();
  await first.says('started');
  world.relay();
  const expected = Array.from({ length: 200 }, (_, i) => `a:${i}`);
  for (const [index, name] of expected.entries()) {
    await world.add(name, `b-${index}:1`);
    if (index === 100) await first.kill();
  }
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(expected);
});

test('takes over within a second of a kill', async () => {
  const world = await fixture();
  const first = world.process();
  await world.add('a:1');
  await world.untilEmpty();
  const second = world.relay();
  await first.kill();
  await eventually('the other relay to take over', () => second.mode === 'relaying', 1_500, clock().now);
});

test('relays on after PostgreSQL was restarted at once (-m immediate)', async () => {
  const world = await fixture();
  world.relay();
  await world.add('a:1');
  await world.untilEmpty();
  await postgres().restart('immediate');
  await world.add('a:2');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1', 'a:2']);
});

test('stores an event once if PostgreSQL loses its mark in a crash, for longer than the window', async () => {
  const world = await fixture({ duplicateWindowMs: WINDOW_MS });
  const names: string[] = [];
  // The server writes by itself every 10 seconds: then nothing is lost.
  for (let lost = 0; lost === 0 && names.length < 10; lost = await world.unpublished()) {
    const relay = world.process();
    await relay.says('started');
    const next = [`a:${names.length + 1}`, `a:${names.length + 2}`];
    await world.add(...next);
    await world.untilEmpty();
    await postgres().kill();
    await relay.kill();
    await Promise.all([postgres().start(), delay(AFTER_WINDOW_MS)]);
    names.push(...next);
  }
  expect(await world.unpublished()).toBe(2);
  world.relay();
  await world.add('a:last');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual([...names, 'a:last']);
});

test('relays on after nats-server was killed', async () => {
  const world = await fixture();
  world.relay();
  await world.add('a:1');
  await world.untilEmpty();
  await nats().kill();
  await world.add('a:2', 'b:1');
  await delay(2_000);
  await nats().start();
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1', 'a:2']);
  expect(await world.stored('b')).toEqual(['b:1']);
});

test('relays on into a stream that was deleted and made again', async () => {
  const world = await fixture();
  world.relay();
  await world.add('a:1', 'a:2');
  await world.untilEmpty();
  await world.remakeStream();
  await world.add('a:3', 'b:1');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:3']);
  expect(await world.stored('b')).toEqual(['b:1']);
});
