import { expect, test } from '@jest/globals';
import type { StreamConfig } from '#library/stream/api/api-types.js';
import {
  requireSettings,
  settingIs,
  settingIsUnlimited,
  settingIsUnset,
} from '#library/stream/api/stream-settings.js';
import { isServerAtLeast } from '#library/stream/connection/server-version.js';
import { SAYS_ALL } from '../../../support/says-all.js';

const RULES = [
  settingIs('retention', 'limits', 'readers would remove events'),
  settingIsUnset('mirror', 'a mirror cannot be written to'),
  settingIsUnlimited('max_msgs_per_subject', 'events would be removed'),
];
const FINE = { name: 'orders', retention: 'limits', max_msgs_per_subject: -1 } as StreamConfig;

test.each([{}, { mirror: null }, { max_msgs_per_subject: 0 }])('admits %j', (config) => {
  expect(() => requireSettings({ ...FINE, ...config }, RULES)).not.toThrow();
});

test.each([
  [{ retention: 'workqueue' }, /"orders" to have retention "limits", found "workqueue"; readers would/],
  [{ mirror: { name: 'x' } }, /mirror unset, found \{"name":"x"\}/],
  [{ max_msgs_per_subject: 5 }, /max_msgs_per_subject -1, found 5/],
])('refuses %j by name', (config, text) => {
  const check = (): void => requireSettings({ ...FINE, ...config }, RULES);
  expect(check).toThrow(expect.objectContaining({ code: 'STREAM_MISMATCH' }));
  expect(check).toThrow(text);
  expect(check).toThrow(SAYS_ALL);
});

test.each([
  ['2.10.0', true],
  ['2.10.27', true],
  ['2.9.25', false],
  ['2.15.0-dev', true],
  ['3.0', true],
  ['unknown', false],
])('server %s is 2.10 or newer: %s', (version, expected) => {
  expect(isServerAtLeast(version, [2, 10, 0])).toBe(expected);
});
