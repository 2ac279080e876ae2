import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { closeAll, look, startBrowser } from '../../support/browser/browser.js';
import { startRealService } from '../../support/board/real-service.js';
import { COMMAND_FILE, runCommand } from '../../support/command.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll({ config: '# killed by these tests' });
let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
});

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** The board as an operator starts it; resolves with the URL that it prints. */
function startBoard(...args: string[]): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [COMMAND_FILE, 'board', '--port', '0', ...args]);
  children.push(child);
  return new Promise((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const [url] = /http:\S+/.exec(said) ?? [];
      if (url !== undefined) resolve({ url, child });
    });
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.once('exit', () => reject(new Error(`expected a board, found its end: ${said}`)));
  });
}

test('runs from the server alone, survives an outage of it, and ends by a signal', async () => {
  const { url, child } = await startBoard('--server', server().url, '--payloads');
  const one = await look(browser);
  const { page } = one;
  await page.goto(url);
  await page.getByText('No group has started yet').waitFor();

  const service = await startRealService(server().url);
  await service.publish('broken-7', 2);
  await page.getByRole('link', { name: 'broken-7' }).first().waitFor();

  await server().kill();
  await page.getByRole('alert').getByText('The NATS server cannot be read').waitFor();
  expect(await page.locator('.trouble').textContent()).toContain('broken-7');
  await server().start();
  await page.getByRole('alert').waitFor({ state: 'detached' });

  await service.close();
  await page.getByText('No process answered for 1 group').waitFor();
  expect(await page.locator('table').textContent()).toContain('unknown');
  await page.getByRole('link', { name: 'broken-7' }).first().click();
  await page.locator('.letters summary').first().click();
  expect(await page.locator('.letters .payload').first().textContent()).toContain('IBAN 4711');
  await expect(closeAll([one])).resolves.toEqual([]);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  await expect(ended).resolves.toBe(0);
}, 120_000);

test('starts without a server, says that it is away, and ends by a signal', async () => {
  const { url, child } = await startBoard('--server', 'nats://127.0.0.1:1');
  const { page, context } = await look(browser);
  await page.goto(url);
  await page.getByText('expected a connection to the NATS server, found none').waitFor();
  await context.close();
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await expect(ended).resolves.toBe(0);
}, 60_000);

test('asks for a word and a token before others than this machine may connect', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'board-'));
  const token = 'a-token-of-this-test';
  writeFileSync(join(folder, 'token'), `${token}\n`);
  const file = join(folder, 'token');
  await expect(runCommand({ args: ['board', '--host', '0.0.0.0'] })).resolves.toMatchObject({
    code: 2,
    output: '',
    errors: expect.stringContaining('--allow-remote and --token-file'),
  });
  const { url } = await startBoard(
    '--host',
    '0.0.0.0',
    '--allow-remote',
    '--token-file',
    file,
    '--server',
    server().url,
  );
  const here = new URL(url.replace('0.0.0.0', '127.0.0.1').replace(/\?.*/, ''));
  await expect(fetch(here).then(({ status }) => status)).resolves.toBe(403);
  await expect(
    fetch(here, { headers: { authorization: `Bearer ${token}` } }).then(({ status }) => status),
  ).resolves.toBe(200);
}, 60_000);
