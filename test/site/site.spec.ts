import { existsSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import {
  closeAll,
  type Look,
  look,
  type LookOptions,
  sidewaysOf,
  startBrowser,
} from '../support/browser/browser.js';
import { allPages } from '../support/pages.js';
import {
  addressesOf,
  addressesOfStyle,
  builtFiles,
  builtPages,
  buildSite,
  DIST,
  FOLDER,
  serveSite,
} from './built-site.js';

const NARROW = { width: 360, height: 740 };
const WIDE = { width: 1280, height: 800 };
const BUILD_MS = 300_000;
const TABS = 3;

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

  const textOf = (file: string): string => readFileSync(join(DIST, file), 'utf8');

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
    const check = (file: string, links: readonly string[]): void => {
      for (const link of links) if (!leadsOn(file, link)) dead.push(`${file}: ${link}`);
    };
    for (const page of builtPages()) check(page, addressesOf(textOf(page)));
    for (const style of builtFiles('.css')) check(style, addressesOfStyle(textOf(style)));
    expect(dead).toEqual([]);
  });

  /** To another host, or to a file of the site and a place in it. */
  function leadsOn(from: string, link: string): boolean {
    if (/^(?:https?:|mailto:|data:)/.test(link)) return true;
    const [path = '', anchor = ''] = link.split('#');
    const file = path === '' ? join(DIST, from) : join(DIST, dirname(from), decodeURI(path));
    const target = file.endsWith('/') ? join(file, 'index.html') : file;
    if (path.startsWith('/') || !existsSync(target)) return false;
    return anchor === '' || !target.endsWith('.html') || idsOf(target).has(decodeURIComponent(anchor));
  }

  test('has the name of its base nowhere: it works from any folder', () => {
    // A script gives the folder to what the site's data say.
    const inData = String.raw`\"base\":\"/__site__/\"`;
    const left = builtFiles('.html', '.css', '.js').filter((file) =>
      textOf(file).replace(inData, '').includes('/__site__'),
    );
    expect(left).toEqual([]);
  });

  test('every kind of address in a page is found', () => {
    const html =
      '<a href="1&amp;" title="href=&quot;no&quot;">href="no"</a><img alt="a > b" src="2"/>' +
      '<video poster="3"></video><source media="x" srcset="4 1x, 5 2x"><object data="6"></object>' +
      `<p style="background:url(&quot;7&quot;)"></p><style>p{background:url('8')}q{src:url(9)}</style>`;
    expect(addressesOf(html).toSorted()).toEqual('1& 2 3 4 5 6 7 8 9'.split(' '));
    expect(addressesOfStyle('@import "1";')).toEqual(['1']);
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
  const looks: Look[] = [];

  beforeAll(async () => {
    ({ server, url } = await serveSite());
    browser = await startBrowser();
  }, 60_000);

  afterAll(async () => {
    await browser.close();
    server.close();
  });

  // Each test judges the pages that it opened.
  afterEach(async () => {
    expect(await closeAll(looks)).toEqual([]);
  });

  async function opened(options: LookOptions = {}): Promise<Page> {
    const one = await look(browser, { ...WIDE, ...options, site: url });
    looks.push(one);
    return one.page;
  }

  /** Opens a page and waits until it listens to keys and clicks: what is pressed before that is lost. */
  async function listening(path: string): Promise<Page> {
    const page = await opened();
    await page.goto(url + path);
    await page.waitForFunction(`document.querySelector('#app').__vue_app__ !== undefined`);
    return page;
  }

  /** Several tabs share the paths: while one waits for the network, another one works. */
  async function inTabs(
    paths: readonly string[],
    options: LookOptions,
    visit: (page: Page, path: string) => Promise<void>,
  ): Promise<void> {
    const rest = [...paths];
    const tab = async (): Promise<void> => {
      const page = await opened(options);
      // Every page is opened anyway, so none fetches beforehand what its links lead to.
      await page.addInitScript(
        `Object.defineProperty(navigator, 'connection', { value: { saveData: true } })`,
      );
      for (let path = rest.shift(); path !== undefined; path = rest.shift()) {
        await page.goto(url + path, { waitUntil: 'load' });
        await visit(page, path);
      }
    };
    await Promise.all(Array.from({ length: TABS }, tab));
  }

  /** Those that cannot be shown, once each has come or failed. */
  const brokenImages = (page: Page): Promise<string[]> =>
    page.evaluate<string[]>(`(async () => {
      const images = [...document.images];
      const isOver = (one) =>
        one.complete || new Promise((over) => ['load', 'error'].forEach((end) => one.addEventListener(end, over)));
      await Promise.all(images.map(isOver));
      return images.filter(({ naturalWidth }) => naturalWidth === 0).map(({ src }) => src);
    })()`);

  /** Paths of the pages that the sidebar leads to. */
  const sidebarOf = async (page: Page): Promise<string[]> => {
    const links = await page.evaluate<string[]>(
      `[...document.querySelectorAll('.VPSidebar a[href]')].map(({ href }) => href)`,
    );
    return links.map((link) => link.slice(url.length));
  };

  test('every page is readable at 360 px, dark and light, without an error and without another host', async () => {
    // The playground is a page of its own kind, with a spec of its own.
    const all = builtPages().filter((path) => !/^(?:source\/|404|playground\/|api\/.+\/)/.test(path));
    expect(all.length).toBeGreaterThan(40);
    const faults: string[] = [];
    await inTabs(all, NARROW, async (page, path) => {
      // It opens as the one before was left, and turns to the other one.
      const isDark = `document.documentElement.classList.contains('dark')`;
      const wasDark = await page.evaluate<boolean>(isDark);
      await page.emulateMedia({ colorScheme: wasDark ? 'light' : 'dark' });
      await page.waitForFunction(`${isDark} !== ${String(wasDark)}`);
      if ((await sidewaysOf(page)) > 0) faults.push(`${path} is wider than its window`);
      faults.push(...(await brokenImages(page)).map((image) => `${path} does not show ${image}`));
    });
    expect(faults).toEqual([]);
  }, 600_000);

  test('search finds a page, and the way to it works from a folder', async () => {
    const page = await listening('decisions/0003-jest-29.html');
    await page.keyboard.press('Control+k');
    await page.locator('input.search-input').fill('OUTCOME_UNKNOWN');
    const hit = page.locator('a.result[href*="errors.html"]').first();
    await hit.click();
    await page.waitForURL(/\/some\/folder\/reference\/errors\.html#/);
    await page.locator('h1:has-text("Errors")').waitFor();
  }, 60_000);

  test('links of the sidebar lead on from a page in a folder, without another load', async () => {
    const page = await listening('reference/errors.html');
    await page.evaluate('self.isSamePage = true');
    for (const path of await sidebarOf(page)) {
      // Sections that stand closed hold links, too.
      await page.locator(`.VPSidebar a[href="${FOLDER}${path}"]`).dispatchEvent('click');
      await page.waitForURL(url + path.replace(/(^|\/)index\.html$/, '$1'));
      await page.locator('main h1').waitFor();
      expect([path, await brokenImages(page)]).toEqual([path, []]);
    }
    expect(await page.evaluate('self.isSamePage')).toBe(true);
  }, 120_000);

  test('every page of the API opens', async () => {
    const api = builtPages().filter((path) => /^api\/.+\/index\.html$/.test(path));
    expect(api.length).toBeGreaterThan(3);
    await inTabs(api, {}, async (page) => expect(await page.locator('h1').count()).toBe(1));
  }, 60_000);
});
