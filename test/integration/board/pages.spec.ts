import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Browser, Locator, Page } from 'playwright-core';
import {
  closeAll,
  type Look,
  look,
  type LookOptions,
  sidewaysOf,
  startBrowser,
} from '../../support/browser/browser.js';
import { faintTexts } from '../../support/browser/contrast.js';
import { type SampleBoard, startSampleBoard } from '../../support/board/sample-board.js';
import { groupLine, sample, trouble } from '../../support/board/sample-source.js';
import { eventually } from '../../support/eventually.js';

// Each step of a page has a bound of its own. A busy machine makes a test of many steps long, and not wrong.
jest.setTimeout(120_000);

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
});

const boards: SampleBoard[] = [];
const looks: Look[] = [];
afterEach(async () => {
  const faults = await closeAll(looks);
  for (const board of boards.splice(0)) await board.close();
  expect(faults).toEqual([]);
});

async function opened(
  options: Parameters<typeof startSampleBoard>[0] = {},
  known = sample(),
): Promise<SampleBoard> {
  const board = await startSampleBoard(options, known);
  boards.push(board);
  return board;
}

async function looked(board: SampleBoard, hash = '', options: LookOptions = {}): Promise<Page> {
  const one = await look(browser, options);
  looks.push(one);
  await one.page.goto(board.url + hash);
  await one.page.getByRole('heading', { level: 1 }).waitFor();
  return one.page;
}

/** Goes to a place of a board that is open. Only a part of the new page tells that it is there: the old one has h1. */
async function gone(page: Page, board: SampleBoard, hash: string, part: string): Promise<void> {
  await page.goto(board.url + hash);
  await page.locator(part).first().waitFor();
}

const AGGREGATE = '#/aggregate/orders/order-4711';
const GROUP = '#/group/orders/billing';
/** Each with what only that page has. */
const PAGES = [
  ['#/', '.verdict'],
  [GROUP, '.numbers'],
  [AGGREGATE, '.timeline'],
  ['#/find?text=order-4', '.found'],
] as const;

const HOSTILE = [
  '<img src=x onerror="alert(1)">',
  '"><script>alert(2)</script>',
  "javascript:alert(3)//'",
  '../../../etc/passwd?x=#y%2e%2e',
  '\u202egnp.exe\u202c \u05d0\u05d1\u05d2',
  '👩‍👩‍👧‍👦🧨',
  'x'.repeat(256),
  '{{constructor.constructor("alert(4)")()}}',
  '\u0000\u001b[31m\n\t',
];

test('names the stuck aggregate first: which, since when, why, where, and what to do', async () => {
  const page = await looked(await opened());
  await expect(page.getByRole('heading', { level: 1 }).textContent()).resolves.toBe('1 aggregate is stuck');
  const first = page.locator('.troubles > li').first();
  const text = (await first.textContent())!;
  for (const part of [
    'stuck',
    'order-90210',
    'for 22 min',
    'billing',
    'orders',
    'partition 1',
    'handler does not return',
  ])
    expect(text).toContain(part);
  await first.getByRole('link', { name: 'order-90210' }).click();
  await page.getByRole('heading', { level: 1, name: 'order-90210' }).waitFor();
});

describe('hostile input', () => {
  test('is shown as text on every page, and nothing of it runs', async () => {
    const known = sample();
    known.groups = HOSTILE.map((hostile) => groupLine({ topic: hostile, group: hostile }));
    known.troubles = HOSTILE.map((hostile) =>
      trouble({
        ...{ topic: hostile, group: hostile, aggregateId: hostile },
        ...{ error: hostile, type: hostile, owner: hostile, reason: hostile },
      }),
    );
    known.findings = HOSTILE.map((hostile) => ({
      ...known.findings[0]!,
      ...{ topic: hostile, group: hostile, code: hostile, why: hostile, do: hostile },
    }));
    const board = await opened({}, known);
    const page = await looked(board, '', { width: 360 });
    const shows = async (hostile: string): Promise<void> => {
      await page.getByRole('heading', { level: 1 }).waitFor();
      expect({ hostile, sideways: await sidewaysOf(page) }).toEqual({ hostile, sideways: 0 });
      for (const summary of await page.locator('details > summary').all()) await summary.click();
      expect(await page.locator('img, main script, iframe').count()).toBe(0);
    };
    await shows('all');
    await expect(page.locator('.trouble').count()).resolves.toBe(HOSTILE.length);
    for (const [index, hostile] of HOSTILE.entries()) {
      await page.locator('.trouble-id').nth(index).click();
      await page.locator('.timeline').waitFor();
      await shows(hostile);
      const asked = encodeURIComponent(hostile);
      await gone(page, board, `#/group/${asked}/${asked}`, '.numbers');
      await shows(hostile);
      // The only aggregate that has this id is shown at once.
      await gone(page, board, `#/find?text=${asked}`, '.timeline, .found, .empty');
      await shows(hostile);
      await gone(page, board, '#/', '.verdict');
    }
  });

  test('shows a hostile payload as text, and a hostile trace only in its place of the link', async () => {
    const known = sample();
    const payload = '</pre><script>alert(5)</script><a href="javascript:alert(6)">x</a>';
    const moment = {
      ...{
        sequence: 9,
        storedAt: Date.now(),
        type: 'T',
        eventId: 'e',
        traceId: '"><script>alert(7)</script>',
      },
      ...{ payload, places: [] },
    };
    known.aggregate = { history: [moment] };
    const page = await looked(await opened({}, known), AGGREGATE);
    const [trace] = await page.getByRole('link', { name: 'trace ↗' }).all();
    const href = await trace!.getAttribute('href');
    expect(href).toBe('https://traces.example/trace/%22%3E%3Cscript%3Ealert(7)%3C%2Fscript%3E');
    await page.locator('.timeline summary').click();
    await expect(page.locator('.timeline .payload').textContent()).resolves.toBe(payload);
  });

  test('gives no payload to a page unless they are allowed', async () => {
    const board = await opened({ payloads: false });
    const page = await looked(board, AGGREGATE);
    await expect(page.locator('.payload').count()).resolves.toBe(0);
    await expect(page.locator('footer').textContent()).resolves.toContain('payloads are hidden');
  });
});

test('pages through 10 000 parked aggregates, the longest first, and keeps the page small', async () => {
  const known = sample();
  known.troubles = Array.from({ length: 10_000 }, (_, index) =>
    trouble({ aggregateId: `order-${index}`, forMs: 60_000 + index * 1_000, error: `Error: no ${index}` }),
  );
  known.groups = [groupLine({ parked: 10_000, letters: 50_000 })];
  const board = await opened({}, known);
  const page = await looked(board, GROUP);
  await expect(page.locator('.trouble-id').first().textContent()).resolves.toBe('order-9999');
  await expect(page.locator('.trouble-id').count()).resolves.toBe(50);
  await page.getByRole('link', { name: 'next ones →' }).click();
  await page.getByText('51 to 100 of 10\u202f000').waitFor();
  await expect(page.locator('.trouble-id').first().textContent()).resolves.toBe('order-9949');
  await page.getByLabel('Part of the id or the error').fill('order-77');
  // Newer states come while an operator types.
  known.troubles.push(trouble({ aggregateId: 'order-new', forMs: 1_000, error: 'Error: new' }));
  await page.getByText('51 to 100 of 10\u202f001').waitFor();
  await expect(page.getByLabel('Part of the id or the error').inputValue()).resolves.toBe('order-77');
  await page.getByLabel('Part of the id or the error').press('Enter');
  await page.getByText('1 to 50 of 111').waitFor();
  await page.goto(board.url);
  await page.getByRole('heading', { level: 1, name: '10\u202f001 aggregates are parked' }).waitFor();
});

test('says that the NATS server is away, keeps what it knew, and is live again when it is back', async () => {
  const board = await opened();
  const page = await looked(board);
  board.sample.failure = Object.assign(new Error('expected an answer, found none; see that NATS runs'), {
    code: 'X',
  });
  await page.getByRole('alert').getByText('see that NATS runs').waitFor();
  await expect(page.locator('.trouble-id').count()).resolves.toBe(4);
  board.sample.failure = undefined;
  await page.getByRole('alert').waitFor({ state: 'detached' });
});

test('says that the board itself is away, and connects again by itself', async () => {
  const known = sample();
  const board = await startSampleBoard({}, known);
  const page = await looked(board);
  await board.close();
  await page.getByRole('alert').getByText('The board does not answer').waitFor();
  boards.push(await startSampleBoard({}, known, Number(new URL(board.url).port)));
  await page.getByRole('alert').waitFor({ state: 'detached' });
});

describe('commands', () => {
  test('retries after a confirmation, and shows how it ended', async () => {
    const board = await opened();
    const page = await looked(board, AGGREGATE);
    await page.getByRole('button', { name: 'Retry…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    expect(board.sample.commands).toEqual([]);
    await page.getByRole('button', { name: 'Retry…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click();
    await page.getByRole('status').getByText('the aggregate is live again').waitFor();
    expect(board.sample.commands).toEqual(['retry order-4711']);
    expect(board.log.join('\n')).toContain(
      'retry aggregate "order-4711" of group "billing" on topic "orders"',
    );
  });

  test('discards only after what is lost was ticked', async () => {
    const board = await opened();
    const page = await looked(board, AGGREGATE);
    await page.getByRole('button', { name: 'Discard…' }).click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.textContent()).resolves.toContain(
      '2 letters, from OrderPaid #88412 on, are never handled by group billing',
    );
    const discard = dialog.getByRole('button', { name: 'Discard 2 letters' });
    await expect(discard.isDisabled()).resolves.toBe(true);
    await dialog.getByRole('checkbox').check();
    await discard.click();
    await eventually('the command', () => board.sample.commands.length === 1);
    expect(board.sample.commands).toEqual(['discard order-4711']);
  });

  test('retries all, repartitions and rewinds a group, each with its own confirmation', async () => {
    const board = await opened();
    const page = await looked(board, GROUP);
    const confirm = async (name: string): Promise<void> => {
      const dialog = page.getByRole('dialog');
      // What it asks for is counted once it is there.
      await dialog.waitFor();
      const box = dialog.getByRole('checkbox');
      if ((await box.count()) > 0) await box.check();
      await dialog.getByRole('button', { name }).click();
      await dialog.waitFor({ state: 'detached' });
    };
    await page.getByRole('button', { name: 'Retry all parked…' }).click();
    await confirm('Retry all');
    await page.getByText('Change this group').click();
    await page.getByRole('button', { name: 'Repartition…' }).click();
    await confirm('Repartition');
    await page.getByRole('combobox', { name: 'Rewind to' }).selectOption('sequence');
    await page.getByLabel('Sequence', { exact: true }).fill('42');
    await page.getByRole('button', { name: 'Rewind…' }).click();
    await confirm('Rewind');
    await eventually('three commands', () => board.sample.commands.length === 3);
    expect(board.sample.commands).toEqual([
      'retry all billing',
      'repartition billing 8',
      'rewind billing {"kind":"sequence","sequence":42}',
    ]);
    // What is told of them covers nothing for good, also on a narrow screen.
    await page.setViewportSize({ width: 360, height: 600 });
    await page.getByRole('button', { name: 'Hide' }).nth(2).waitFor();
    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
    const [footer, told] = [page.locator('footer'), page.locator('.commands')];
    const [below, above] = [await footer.boundingBox(), await told.boundingBox()];
    expect(below!.y + below!.height).toBeLessThanOrEqual(above!.y);
  });

  test('shows the progress of a change, and calls it off', async () => {
    const known = sample();
    const change = {
      kind: 'repartition',
      to: 8,
      drained: 3,
      of: 4,
      holders: ['partition 1: event #7 of aggregate "a"'],
    } as const;
    known.groups = [groupLine({ condition: 'changing', change })];
    const board = await opened({}, known);
    const page = await looked(board, GROUP);
    await page.getByText('3 of 4 partitions at rest').waitFor();
    await page.getByRole('button', { name: 'Call off…' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Call off' }).click();
    await eventually('the command', () => board.sample.commands.length === 1);
    expect(board.sample.commands).toEqual(['cancel billing']);
  });

  test('offers none on a board that only shows', async () => {
    const board = await opened({ isReadOnly: true });
    const page = await looked(board, AGGREGATE);
    await expect(page.locator('main button').count()).resolves.toBe(0);
  });
});

test('is walked by keyboard alone: search, rows, a confirmation and back', async () => {
  const board = await opened();
  const page = await looked(board);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await expect(page.evaluate('document.activeElement.textContent')).resolves.toBe('order-4711');
  await page.keyboard.press('Enter');
  await headed(page, 'order-4711').waitFor();
  await expect(page.evaluate('document.activeElement.id')).resolves.toBe('main');
  const isOn = async (name: string): Promise<boolean> =>
    (await page.evaluate('document.activeElement.textContent')) === name;
  for (let tabs = 0; tabs < 10 && !(await isOn('Retry…')); tabs++) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  expect(await isOn('Cancel')).toBe(true);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(await isOn('Retry…')).toBe(true);
  await page.keyboard.press('/');
  await page.keyboard.type('order-4822');
  await page.keyboard.press('Enter');
  await headed(page, 'order-4822').waitFor();
  await expect(page.evaluate('document.activeElement.id')).resolves.toBe('main');
  await page.keyboard.press('h');
  await headed(page, '1 aggregate is stuck').waitFor();
  expect(board.sample.commands).toEqual([]);
});

describe('nothing that comes meanwhile takes away', () => {
  const focused = (page: Page): Promise<string> =>
    page.evaluate<string>('document.activeElement.ariaLabel ?? document.activeElement.textContent');

  test('the page that someone has gone to: an answer to a search may be late', async () => {
    const page = await looked(await opened());
    await page.evaluate(`{
      const { fetch } = globalThis;
      globalThis.fetch = async (...asked) => {
        const answer = await fetch(...asked);
        location.hash = '${GROUP}';
        setTimeout(() => (globalThis.isAnswered = true), 200);
        return answer;
      };
    }`);
    await page.getByRole('searchbox', { name: 'Find an aggregate by its id' }).fill('order-4822');
    await page.keyboard.press('Enter');
    await page.locator('.numbers').waitFor();
    await eventually('the late answer', () => page.evaluate<boolean>('globalThis.isAnswered === true'));
    expect(new URL(page.url()).hash).toBe(GROUP);
  });

  test('the focus of a field, and what is typed in it, when the page changes', async () => {
    const page = await looked(await opened());
    const left = await page.evaluate<string>(`new Promise((resolve) => {
      const looked = () => resolve(document.activeElement.id);
      const focus = () => (document.getElementById('search').focus(), setTimeout(looked, 300));
      addEventListener('hashchange', () => setTimeout(focus), { once: true });
      location.hash = '${GROUP}';
    })`);
    expect(left).toBe('search');

    await page.getByText('Change this group').click();
    const field = page.getByLabel('Part of the id or the error');
    await field.fill('order');
    await page.keyboard.press('Enter');
    await page.keyboard.type('-4822');
    await page.waitForURL('**/*?text=order');
    await page.locator('.trouble').nth(3).waitFor();
    await expect(field.inputValue()).resolves.toBe('order-4822');
    await expect(focused(page)).resolves.toBe('Part of the id or the error');
    await page.getByRole('button', { name: 'Repartition…' }).waitFor();
    await page.keyboard.press('Enter');
    await page.locator('.trouble').nth(1).waitFor({ state: 'detached' });
    await page.goBack();
    await page.locator('.trouble').nth(3).waitFor();
    await expect(field.inputValue()).resolves.toBe('order');
  });

  test('the place from which a command was confirmed, or the one that someone has gone to', async () => {
    const board = await opened();
    const page = await looked(board, AGGREGATE);
    const button = page.getByRole('button', { name: 'Retry…' });
    await button.click();
    await page.getByRole('dialog').waitFor();
    // The browser tells of the end of a dialog later, when a key may have led elsewhere.
    const left = await page.evaluate<string>(`new Promise((resolve) => {
      document.querySelector('dialog').close();
      document.getElementById('search').focus();
      setTimeout(() => resolve(document.activeElement.id), 300);
    })`);
    expect(left).toBe('search');
    await button.click();
    await page.getByRole('dialog').getByText('Nothing is lost').click();
    await page.keyboard.press('h');
    await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click();
    await page.getByRole('status').getByText('the aggregate is live again').waitFor();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await expect(focused(page)).resolves.toBe('Retry…');
    expect(board.sample.commands).toEqual(['retry order-4711']);
  });
});

test.each([false, true])('keeps every text readable and within 360 px, dark: %s', async (dark) => {
  const board = await opened();
  const page = await looked(board, '', { width: 360, dark });
  for (const [hash, part] of PAGES) {
    await gone(page, board, hash, part);
    await expect(sidewaysOf(page)).resolves.toBe(0);
    await expect(faintTexts(page)).resolves.toEqual([]);
  }
  await gone(page, board, AGGREGATE, '.timeline');
  await page.getByRole('button', { name: 'Discard…' }).click();
  await page.getByRole('dialog').waitFor();
  await expect(faintTexts(page)).resolves.toEqual([]);
});

test('says what to do where there is nothing: no group, no trouble, no process, no result', async () => {
  const known = { ...sample(), groups: [], troubles: [], findings: [] };
  const board = await opened({}, known);
  const page = await looked(board);
  await page.getByText('Start a service that handles a topic').waitFor();
  board.sample.groups = [groupLine({ answered: 0, parked: 0 })];
  await page.getByText('No aggregate is known to be stuck').waitFor();
  await page.goto(`${board.url}${GROUP}`);
  await page.getByText('No process of this group answered').waitFor();
  await page.getByText('Nothing to do here').waitFor();
  board.sample.groups = [groupLine({ parked: 0 })];
  await page.goto(board.url);
  await page.getByText('Everything moves').waitFor();
  await page.goto(`${board.url}#/find?text=nothing`);
  await page.getByText('No aggregate has this id').waitFor();
  await page.goto(`${board.url}#/group/orders/other`);
  await page.getByText('This page cannot be shown yet').waitFor();
});

test('reads once for all who look, and not at all when none do', async () => {
  const board = await opened({ everyMs: 200 });
  const pages = [await looked(board), await looked(board), await looked(board)];
  const before = board.sample.reads.overview;
  await eventually('three reads', () => board.sample.reads.overview >= before + 3);
  expect(board.sample.reads.overview).toBeLessThan(before + 9);
  for (const page of pages) await page.goto('about:blank');
  await eventually('rest', async () => {
    const known = board.sample.reads.overview;
    await new Promise((resolve) => setTimeout(resolve, 600));
    return board.sample.reads.overview === known;
  });
});

test('weighs at most 150 kB, and shows data within a second', async () => {
  const board = await opened();
  const one = await look(browser);
  looks.push(one);
  let bytes = 0;
  one.page.on('response', (response) => {
    if (response.url().includes('/live')) return;
    void response.body().then(
      (body) => (bytes += body.length),
      () => undefined,
    );
  });
  await one.page.addInitScript(`
    new MutationObserver((_, observer) => {
      if (document.querySelector('.trouble-id') === null) return;
      observer.disconnect();
      requestAnimationFrame(() => (globalThis.shownAtMs = performance.now()));
    }).observe(document, { subtree: true, childList: true });
  `);
  await one.page.goto(board.url);
  await eventually('all files', () => bytes > 20_000);
  expect(bytes).toBeLessThan(150_000);
  // Other work of the machine only makes it longer, so the quickest of some loads tells how long it takes.
  let shownMs = Infinity;
  for (let loads = 0; loads < 10 && shownMs >= 1_000; loads++) {
    await one.page.goto(board.url);
    await one.page.locator('.trouble-id').first().waitFor();
    shownMs = Math.min(shownMs, await one.page.evaluate<number>('globalThis.shownAtMs ?? Infinity'));
  }
  expect(shownMs).toBeLessThan(1_000);
});

/** Exactly so: the page of a search has the text in its heading, too. */
function headed(page: Page, name: string): Locator {
  return page.getByRole('heading', { level: 1, name, exact: true });
}
