import { expect, test } from '@jest/globals';
import type { SettingDifference } from '#library/records/setting-difference.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { SettingsWatch } from '#library/transport/settings-watch.js';
import { recordedLog } from '../consumer/position/position-fixture.js';

const EDIT: SettingDifference = {
  stream: 'orders',
  setting: 'max_age',
  expected: '0',
  found: '5',
  remedy: 'events would go; change the stream',
};

function fixture() {
  const clock = new ManualClock(1_000_000);
  const log = recordedLog();
  const wire = {
    connected: true,
    looks: 0,
    answer: (): Promise<SettingDifference[]> => Promise.resolve([]),
    settingDifferences(): Promise<SettingDifference[]> {
      wire.looks++;
      return wire.answer();
    },
  };
  const watch = new SettingsWatch({ topic: 'orders', wire, clock, log });
  watch.start();
  return { clock, log, wire, watch };
}

test('a change is told with the time it was noticed, and logged once, however long it lasts', async () => {
  const { clock, log, wire, watch } = fixture();
  wire.answer = () => Promise.resolve([EDIT]);
  await clock.advance(10_000);
  const [changed] = watch.current();
  expect(changed).toEqual({
    stream: 'orders',
    what: 'expected max_age 0, found 5; events would go; change the stream',
    since: expect.any(Number),
  });
  await clock.advance(60_000);
  expect(watch.current()).toEqual([changed]);
  expect(log.lines).toHaveLength(1);
  expect(log.lines[0]).toMatch(/^error topic "orders": stream "orders" breaks a promise since it was edited/);
});

test('a stream that is missing is told with what to do', async () => {
  const { clock, log, wire, watch } = fixture();
  const missing = { stream: 'orders', setting: 'stream', expected: 'to exist', found: 'none' };
  wire.answer = () => Promise.resolve([{ ...missing, remedy: 'it was deleted', todo: 'restore it' }]);
  await clock.advance(10_000);
  expect(watch.current()).toMatchObject([
    { what: 'expected stream to exist, found none; it was deleted', todo: 'restore it' },
  ]);
  expect(log.lines[0]).toMatch(/found none; it was deleted; restore it$/);
  wire.answer = () => Promise.resolve([]);
  await clock.advance(10_000);
  expect(log.lines.at(-1)).toMatch(/is as it must be again: stream to exist$/);
});

test('another value of the same setting is another change', async () => {
  const { clock, log, wire } = fixture();
  wire.answer = () => Promise.resolve([EDIT]);
  await clock.advance(10_000);
  wire.answer = () => Promise.resolve([{ ...EDIT, found: '6' }]);
  await clock.advance(10_000);
  expect(log.lines.filter((line) => line.startsWith('error'))).toHaveLength(2);
});

test('a look that gets no answer changes nothing, and one that is slow is waited for', async () => {
  const { clock, log, wire, watch } = fixture();
  wire.answer = () => Promise.resolve([EDIT]);
  await clock.advance(10_000);
  wire.answer = () => Promise.reject(new Error('away'));
  await clock.advance(10_000);
  expect(watch.current()).toHaveLength(1);
  let answer: (found: SettingDifference[]) => void = () => undefined;
  wire.answer = () => new Promise((resolve) => (answer = resolve));
  await clock.advance(10_000);
  const { looks } = wire;
  await clock.advance(60_000);
  expect(wire.looks).toBe(looks);
  answer([]);
  await clock.advance(0);
  expect(watch.current()).toEqual([]);
  expect(log.lines.at(-1)).toBe('info topic "orders": stream "orders" is as it must be again: max_age 0');
});

test('nothing is asked while there is no connection, or after its end', async () => {
  const { clock, wire, watch } = fixture();
  wire.connected = false;
  await clock.advance(60_000);
  wire.connected = true;
  watch.close();
  await clock.advance(60_000);
  expect(wire.looks).toBe(0);
});
