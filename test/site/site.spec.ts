import { existsSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Browser, chromium, type Page } from 'playwright-core';
import { allPages } from '../support/pages.js';
import { builtPages, buildSite, DIST, serveSite } from './built-site.js';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const NARROW = { width: 360, height: 740 };
const WIDE = { width: 1280, height: 800 };
const BUILD_MS = 300_000;

beforeAll(buildSite, BUILD_MS);

describe('the built site', () => {
  const ids = new Map<string, ReadonlySet<string>>();
  const idsOf = (file: string): ReadonlySet<string> => {
    const known =
      ids.get(file) ??
      new Set([...readFileSync(file, 'utf8').matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!));
    ids.set(file, known);
    return known;
  };

  test('has a page for each page of docs', () => {
    const expected = allPages()
      .filter((path) => path.startsWith('docs/'))
      .map((path) =>
        path
          .slice('docs/'.length)
          .replace(/README\.md$/, 'index.md')
          .replace(/\.md$/, '.html'),
      );
    const built = new Set(builtPages());
    expect(expected.filter((page) => !built.has(page))).toEqual([]);
  });

  test('has no link that leads nowhere, and none that needs a host', () => {
    const dead: string[] = [];
    for (const page of builtPages()) {
      for (const [, link = ''] of readFileSync(join(DIST, page), 'utf8').matchAll(
        /(?:href|src)="([^"]*)"/g,
      )) {
        if (/^(?:https?:|mailto:|data:)/.test(link)) continue;
        const [path = '', anchor] = link.replaceAll('&amp;', '&').split('#');
        const file = path === '' ? join(DIST, page) : join(DIST, dirname(page), decodeURI(path));
        const target = file.endsWith('/') ? join(file, 'index.html') : file;
        const isThere = !path.startsWith('/') && existsSync(target);
        const hasAnchor =
          anchor === undefined ||
          anchor === '' ||
          !target.endsWith('.html') ||
          (isThere && idsOf(target).has(decodeURIComponent(anchor)));
        if (!isThere || !hasAnchor) dead.push(`${page}: ${link}`);
      }
    }
    expect(dead).toEqual([]);
  });

  test('has the name of its base nowhere: it works from any folder', () => {
    const left = builtPages().filter((page) =>
      /(?:href|src)="\/__site__/.test(readFileSync(join(DIST, page), 'utf8')),
    );
    expect(left).toEqual([]);
  });

  test('lists its pages in llms.txt, and holds them in llms-full.txt', () => {
    const list = readFileSync(join(DIST, 'llms.txt'), 'utf8');
    const linked = [...list.matchAll(/^- \[.+\]\((.+)\)$/gm)].map(([, link]) => link!);
    expect(linked.length).toBeGreaterThan(40);
    expect(linked.filter((link) => !existsSync(join(DIST, link)))).toEqual([]);
    const whole = readFileSync(join(DIST, 'llms-full.txt'), 'utf8');
    for (const link of linked.filter((one) => !one.startsWith('api/')))
      expect(whole).toContain(`<!-- ${link} -->`);
  });
});

describe('in a browser', () => {
  let server: Server;
  let url: string;
  let browser: Browser;
  let page: Page;
  const faults: string[] = [];

  beforeAll(async () => {
    ({ server, url } = await serveSite());
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    page = await (await browser.newContext({ viewport: NARROW, colorScheme: 'dark' })).newPage();
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning')
        faults.push(`${page.url()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => faults.push(`${page.url()}: ${error.message}`));
    page.on('request', (request) => {
      if (!request.url().startsWith(url)) faults.push(`${page.url()} asked for ${request.url()}`);
    });
  }, 60_000);

  afterAll(async () => {
    await browser.close();
    server.close();
  });

  const darkness = (): Promise<boolean> =>
    page.evaluate(`document.documentElement.classList.contains('dark')`);
  const overflow = (): Promise<number> =>
    page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

  test('every page is readable at 360 px, dark and light, without an error and without another host', async () => {
    // The playground is a page of its own kind, with a spec of its own.
    const all = builtPages().filter((path) => !/^(?:source\/|404|playground\/|api\/.+\/)/.test(path));
    expect(all.length).toBeGreaterThan(40);
    const wide: string[] = [];
    for (const path of all) {
      await page.goto(url + path, { waitUntil: 'load' });
      for (const colorScheme of ['dark', 'light'] as const) {
        await page.emulateMedia({ colorScheme });
        await page.waitForFunction(
          `document.documentElement.classList.contains('dark') === ${String(colorScheme === 'dark')}`,
        );
      }
      if ((await overflow()) > 0) wide.push(path);
    }
    expect(wide).toEqual([]);
    expect(faults).toEqual([]);
    expect(await darkness()).toBe(false);
  }, 120_000);

  test('search finds a page, and the way to it works from a folder', async () => {
    await page.setViewportSize(WIDE);
    await page.goto(`${url}decisions/0003-jest-29.html`);
    await page.keyboard.press('Control+k');
    await page.locator('input.search-input').fill('OUTCOME_UNKNOWN');
    const hit = page.locator('a.result[href*="errors.html"]').first();
    await hit.click();
    await page.waitForURL(/\/some\/folder\/reference\/errors\.html#/);
    await page.locator('h1:has-text("Errors")').waitFor();
    expect(faults).toEqual([]);
  }, 60_000);

  test('links of the sidebar lead on from a page in a folder, without another load', async () => {
    await page.goto(`${url}reference/errors.html`);
    await page.evaluate('self.isSamePage = true');
    await page.locator('.VPSidebar a[href$="glossary.html"]').click();
    await page.waitForURL(`${url}glossary.html`);
    await page.locator('.VPSidebar a[href$="guarantees.html"]').click();
    await page.waitForURL(`${url}guarantees.html`);
    expect(await page.evaluate('self.isSamePage')).toBe(true);
    expect(faults).toEqual([]);
  }, 60_000);

  test('every page of the API opens', async () => {
    const api = builtPages().filter((path) => /^api\/.+\/index\.html$/.test(path));
    expect(api.length).toBeGreaterThan(3);
    for (const path of api) {
      await page.goto(url + path);
      expect(await page.locator('h1').count()).toBe(1);
    }
    expect(faults).toEqual([]);
  }, 60_000);
});
