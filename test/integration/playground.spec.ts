import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { Run } from '../../website/playground/src/run.js';
import { seeded } from '../../website/playground/src/chance.js';
import {
  closeAll,
  type Look,
  look,
  type LookOptions,
  sidewaysOf,
  startBrowser,
} from '../support/browser/browser.js';
import { faintTexts } from '../support/browser/contrast.js';

// Needs `npm run build`, and Debian's chromium.

const SEED = 11;

describe('the run behind the playground', () => {
  const { random } = Math;
  afterEach(() => {
    Math.random = random;
  });

  /** Some seconds of a run whose slider stands at `chaos`; then all that was published is worked through. */
  async function play(chaos: number): Promise<Run> {
    Math.random = seeded(SEED);
    const run = new Run(SEED);
    run.chaos = chaos;
    await run.start();
    for (let at = 0; at < 10_000; at += 500) await run.step(500);
    run.isPublishing = false;
    run.chaos = 0;
    for (let at = 0; at < 60_000 && !run.ours.isComplete; at += 500) await run.step(500);
    return run;
  }

  test('without chaos neither side lets an event overtake, so the load alone does not break the naive one', async () => {
    const { naive, ours } = await play(0);
    expect([naive.overtaken, ours.overtaken]).toEqual([0, 0]);
    expect(naive.verdict).toMatchObject({ violations: [], overlaps: [] });
  });

  test('with chaos the oracle finds the naive side wrong, and ours right: all handled, in order', async () => {
    const { naive, ours, replaced } = await play(1);
    expect(naive.overtaken).toBeGreaterThan(5);
    expect(naive.verdict.violations).not.toEqual([]);
    expect(replaced).toBeGreaterThan(0);
    expect(ours.handled).toBeGreaterThan(50);
    expect([ours.overtaken, ours.verdict]).toEqual([
      0,
      { handled: ours.handled, repeated: 0, violations: [], overlaps: [], lost: [] },
    ]);
  });

  test('the same seed gives the same run', async () => {
    const told = ({ naive, ours, simulatedMs, replaced }: Run) => [
      ...[naive.overtaken, naive.handled, ours.handled, simulatedMs, replaced],
      ...naive.verdict.violations,
    ];
    expect(told(await play(0.6))).toEqual(told(await play(0.6)));
  });
});

describe('the page', () => {
  const TYPES: Record<string, string> = {
    '.html': 'text/html',
    '.css': 'text/css',
    '.js': 'text/javascript',
  };
  let folder: string;
  let server: Server;
  let browser: Browser;
  const looks: Look[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'playground-'));
    execFileSync(process.execPath, ['website/playground/build.js', folder]);
    // A file server without a route of its own.
    server = createServer((request, response) => {
      const name = new URL(request.url ?? '/', 'http://host').pathname.slice(1) || 'index.html';
      response.setHeader('content-type', TYPES[extname(name)] ?? 'text/plain');
      response.end(readFileSync(join(folder, name)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await startBrowser();
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    server.close();
    rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    expect(await closeAll(looks)).toEqual([]);
  });

  async function open(query: string, options: LookOptions = {}): Promise<Page> {
    const site = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const one = await look(browser, { ...options, site });
    looks.push(one);
    await one.page.goto(site + query);
    return one.page;
  }

  const verdictOf = (page: Page, side: string) => page.locator(`#${side} .verdict`);

  test('with the slider up the left side goes wrong and ours does not, by keyboard alone', async () => {
    const page = await open(`?seed=${SEED}`);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('chaos');
    await page.keyboard.press('End');
    expect(await page.locator('#chaos-value').textContent()).toBe('100 %');
    await page.locator('#naive .verdict.bad').waitFor();
    await page.locator('#ours .verdict', { hasText: /^\d\d+ handled/ }).waitFor();
    expect(await verdictOf(page, 'naive').textContent()).toMatch(/, [1-9]\d* out of order$/);
    expect(await verdictOf(page, 'ours').textContent()).toMatch(/, 0 out of order$/);
    expect(await page.locator('#ours .oracle').textContent()).toBe('The oracle found nothing wrong.');
    expect(await page.locator('#naive .oracle').textContent()).toMatch(/^The oracle: order-\d: \d+ started/);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.locator('#pause').textContent()).toBe('Continue');
  }, 120_000);

  test.each([false, true])(
    'fits 360 px and is readable, dark: %s',
    async (dark) => {
      const page = await open('?chaos=100', { width: 360, height: 740, dark });
      await page.locator('#naive .verdict.bad').waitFor();
      expect(await sidewaysOf(page)).toBe(0);
      expect(await faintTexts(page)).toEqual([]);
    },
    120_000,
  );
});
