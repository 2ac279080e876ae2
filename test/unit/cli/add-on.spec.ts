import { expect, test } from '@jest/globals';
import { loadAddOn, packageOf } from '#library/cli/add-on.js';

const NAME = 'nestjs-aggregate-transport-postgres';

test('loads commands of the fixed list from <package>/cli, and knows no other', async () => {
  const asked: string[] = [];
  const run = () => Promise.resolve(0);
  const commands = await loadAddOn('postgres', (specifier) => {
    asked.push(specifier);
    return Promise.resolve({ run });
  });
  expect(commands).toEqual({ run });
  expect(asked).toEqual([`${NAME}/cli`]);
  expect(packageOf('parked')).toBeUndefined();
  expect(packageOf('constructor')).toBeUndefined();
  expect(packageOf(undefined)).toBeUndefined();
});

test('says what to install where the package is missing', async () => {
  const missing = Object.assign(new Error(`Cannot find package '${NAME}' imported from here`), {
    code: 'ERR_MODULE_NOT_FOUND',
  });
  const loaded = loadAddOn('postgres', () => Promise.reject(missing));
  await expect(loaded).rejects.toMatchObject({
    name: 'UsageError',
    message: expect.stringContaining(`npm install ${NAME}`),
  });
});

test('keeps the error of a package that is there and cannot be loaded', async () => {
  const broken = Object.assign(new Error(`Cannot find package 'pg' imported from ${NAME}`), {
    code: 'ERR_MODULE_NOT_FOUND',
  });
  await expect(loadAddOn('postgres', () => Promise.reject(broken))).rejects.toBe(broken);
});

test('refuses a release without commands', async () => {
  await expect(loadAddOn('postgres', () => Promise.resolve({}))).rejects.toMatchObject({
    name: 'UsageError',
  });
});
