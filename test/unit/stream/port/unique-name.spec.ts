import { expect, test } from '@jest/globals';
import { uniqueName } from '#library/stream/port/unique-name.js';

test('a unique name fits in a subject, and does not come twice', () => {
  const names = Array.from({ length: 10_000 }, uniqueName);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[0-9A-Za-z]{22}$/);
});
