import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runScript } from '../support/run-script.js';

/** Runs a built command of apps/demo as its npm script does. */
function run(
  command: 'demo' | 'replay',
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  return runScript(`dist/apps/demo/src/${command}.js`, args);
}

test('the demo ends with a verdict, and with 0 because every promise held', async () => {
  const { code, output } = await run('demo', ['--events', '300', '--orders', '20']);
  expect(output).toMatch(/order violations +0 +holds/);
  expect(output).toMatch(/rows that orders committed, one per event +300 +holds/);
  expect(output).toMatch(/effects on them, each event once +300 +holds/);
  expect(output).toMatch(/paid orders that billing announced, each once +20 +holds/);
  expect(output).toContain('every promise held');
  expect(code).toBe(0);
}, 120_000);

test('on PostgreSQL, with both services and the server killed, the rows of both sides hold every promise', async () => {
  const { code, output } = await run('demo', ['--postgres', '--events', '1200', '--orders', '60']);
  expect(output).toMatch(/kills +3 +holds/);
  expect(output).toMatch(/rows that orders committed, one per event +1,200 +holds/);
  expect(output).toMatch(/rows left in the outbox +0 +holds/);
  expect(output).toMatch(/effects on them, each event once +1,200 +holds/);
  expect(output).toMatch(/effects out of order +0 +holds/);
  expect(code).toBe(0);
}, 180_000);

test('with --break a replica is killed, and the other one keeps the order of every event', async () => {
  const { code, output } = await run('demo', ['--break', '--events', '300', '--orders', '20']);
  expect(output).toMatch(/killed: billing-[12] \(SIGKILL\), after \d+ events/);
  expect(output).toMatch(/handled by the killed replica +[1-9]\d* +holds/);
  expect(output).toMatch(/different events handled: none is lost +300 +holds/);
  expect(output).toMatch(/order violations +0 +holds/);
  expect(output).toContain('every promise held');
  expect(code).toBe(0);
}, 180_000);

describe('replay of a CSV event log', () => {
  const columns = ['--aggregate', 'permit', '--type', 'activity'];
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'replay-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function fileOf(text: string): string {
    const file = join(folder, 'log.csv');
    writeFileSync(file, text);
    return file;
  }

  test('rebuilds every history exactly as the file has it', async () => {
    const { code, output } = await run('replay', ['test/data/permits.csv', ...columns, '--order', 'time']);
    expect(output).toMatch(/histories identical to the file +60 of 60 +holds/);
    expect(code).toBe(0);
  }, 60_000);

  test.each([
    ['a missing file', () => 'no-such.csv', /expected a CSV file at no-such\.csv/],
    [
      'a missing column',
      () => fileOf('case,activity\n1,a\n'),
      /expected a column "permit" .*found case, activity/,
    ],
    [
      'an empty id',
      () => fileOf('permit,activity\np1,a\n,b\n'),
      /column "permit", line 3, found none; 0 rows/,
    ],
    [
      'a malformed row',
      () => fileOf('permit,activity\np1,a\np2\n'),
      /malformed row .*line 3.*0 rows were published/,
    ],
  ])('%s is named, nothing is published', async (_what, file, message) => {
    const { code, output } = await run('replay', [file(), ...columns]);
    expect(output).toMatch(message);
    expect(code).toBe(2);
  });

  test('missing arguments are answered with the usage', async () => {
    const { code, output } = await run('replay', ['test/data/permits.csv']);
    expect(output).toContain('usage: npm run replay -- FILE.csv --aggregate COLUMN');
    expect(code).toBe(2);
  });
});
