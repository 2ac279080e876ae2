import { expect, test } from '@jest/globals';
import { HealthLog } from '#library/observe/health-log.js';
import type { HealthProblem } from '#library/observe/health-problem.js';
import { recordedLog } from '../../support/recorded-log.js';

const unowned: HealthProblem = {
  ...{ code: 'unowned', topic: 'orders', group: 'billing', partition: 3, since: 1_000 },
  ...{ why: 'no process has it', do: 'look' },
};

function recorded() {
  const said = recordedLog();
  return { ...said, log: new HealthLog(said) };
}

test('a problem has one line when it begins and one when it is over, however often it is seen', () => {
  const { log, lines } = recorded();
  for (const now of [2_000, 3_000, 4_000]) log.note([{ ...unowned, why: `for ${now} ms` }], now);
  log.note([], 5_000);
  expect(lines).toEqual([
    'warn topic "orders", group "billing", partition 3: health goes down, unowned: for 2000 ms; look',
    'info topic "orders", group "billing", partition 3: unowned is over, after 4000 ms',
  ]);
});

test('what has a line where it is decided has none here', () => {
  const { log, lines } = recorded();
  log.note([{ ...unowned, code: 'halted' }], 2_000);
  log.note([], 3_000);
  expect(lines).toEqual([]);
});
