import { afterAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MAIN = 'libs/aggregate-transport/dist/esm/cli/main.js';
const FILES = 'test/support/asyncapi';
const folder = mkdtempSync(join(tmpdir(), 'asyncapi-'));
afterAll(() => rmSync(folder, { recursive: true }));

function run(...args: string[]): Promise<{ code: number | null; output: string; errors: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, 'asyncapi', ...args],
      { timeout: 20_000 },
      (_error, output, errors) => resolve({ code: child.exitCode, output, errors }),
    );
  });
}

test('writes the same document of a CommonJS and of an ES module build, without a server, and ends', async () => {
  const [common, standard] = await Promise.all([
    run('--module', `${FILES}/shop.cjs`, '--json'),
    run('--module', `${FILES}/shop.mjs`, '--export', 'AppModule', '--json'),
  ]);
  expect(common).toMatchObject({ code: 0, errors: '' });
  expect(standard).toEqual(common);
  const document = JSON.parse(common.output) as { channels: object; operations: object; info: object };
  expect(document).toMatchObject({ asyncapi: '3.0.0', info: { title: 'aggregate-transport-workspace' } });
  expect(Object.keys(document.channels)).toEqual(['orders']);
  expect(document.operations).toMatchObject({
    send_orders: { action: 'send' },
    receive_orders_billing: {
      messages: [{ $ref: '#/channels/orders/messages/OrderPlaced' }],
      'x-aggregate-transport': { group: 'billing', handlers: ['Billing.placed'] },
    },
  });
});

test('writes it into a file, and says what it has written', async () => {
  const out = join(folder, 'asyncapi.json');
  const { code, output } = await run('--module', `${FILES}/shop.cjs`, '--out', out);
  expect({ code, output }).toEqual({ code: 0, output: `wrote ${out}: 1 channels, 2 operations\n` });
  expect(JSON.parse(readFileSync(out, 'utf8'))).toHaveProperty('channels.orders');
});

test.each<[what: string, code: number, text: RegExp, args: string[]]>([
  ['no file', 2, /expected --module FILE/, []],
  ['a file that is not there', 2, /found none at nowhere\.js; build it first/, ['--module', 'nowhere.js']],
  [
    'a file that fails',
    1,
    /broken\.mjs to load, found that it fails: .*Invalid URL/,
    ['--module', `${FILES}/broken.mjs`],
  ],
  [
    'a file without a module',
    2,
    /one class with @Module, found none/,
    ['--module', 'libs/aggregate-transport/dist/esm/clock.js'],
  ],
  [
    'two modules',
    2,
    /found AppModule, OtherModule; choose one by --export/,
    ['--module', `${FILES}/shop.mjs`],
  ],
  [
    'another export',
    2,
    /export the module Nope, found AppModule, OtherModule/,
    ['--module', `${FILES}/shop.mjs`, '--export', 'Nope'],
  ],
])('given %s, it says so', async (_what, code, text, args) => {
  const found = await run(...args);
  expect(found).toMatchObject({ code, output: '' });
  expect(found.errors).toMatch(text);
});
