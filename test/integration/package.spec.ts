import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

test('the packed libraries are sound to publint and are-the-types-wrong', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['test/package/check.js']);
  expect(stdout).toContain('the packages are sound');
}, 180_000);
