import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { AggregateBoardModule } from 'nestjs-aggregate-transport-board';
import type { Browser } from 'playwright-core';
import { closeAll, type Look, look, startBrowser } from '../../support/browser/browser.js';
import { type RealService, startRealService } from '../../support/board/real-service.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();
let browser: Browser;
const services: RealService[] = [];
const looks: Look[] = [];
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(async () => {
  await closeAll(looks);
  for (const service of services) await service.close();
  await browser.close();
});

/** Lets in who names a password. */
class Doorman implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return (
      context.switchToHttp().getRequest<{ headers: Record<string, string> }>().headers['authorization'] ===
      'Bearer let-me-in'
    );
  }
}

test('shows the stuck and the parked aggregate of a real service, and retries the parked one', async () => {
  const service = await startRealService(
    server().url,
    [AggregateBoardModule.forRoot({ path: '/aggregates' })],
    (app) => app.setGlobalPrefix('api'),
  );
  services.push(service);
  await Promise.all([
    service.publish('stuck-1', 3),
    service.publish('broken-1', 2),
    service.publish('fine-1'),
  ]);

  const one = await look(browser);
  looks.push(one);
  const { page } = one;
  await page.goto(`${service.url}/api/aggregates`);
  const stuck = page.locator('.trouble', { hasText: 'stuck-1' });
  await stuck.getByText('stuck', { exact: true }).waitFor();
  await page.getByRole('heading', { level: 1, name: '1 aggregate is stuck' }).waitFor();
  expect(await stuck.textContent()).toMatch(
    /for (\d+ ms|[\d.]+ s).*billing on orders.*partition \d.*OrderPaid #\d+.*1 attempt.*3 events waiting/,
  );
  const parked = page.locator('.trouble', { hasText: 'broken-1' });
  // The second letter may come after the first one is shown.
  await parked
    .filter({ hasText: /parked.*PaymentRefused: the card has expired.*2 letters waiting/ })
    .waitFor();

  await parked.getByRole('link', { name: 'broken-1' }).click();
  await page.getByRole('heading', { level: 1, name: 'broken-1' }).waitFor();
  await page.locator('.timeline').getByText('waits as a letter').first().waitFor();
  // Payloads are not asked for, so none left the server.
  expect(await page.content()).not.toContain('IBAN');
  service.bedside.isRepaired = true;
  await page.getByRole('button', { name: 'Retry…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Retry' }).click();
  await page.getByRole('status').getByText('the aggregate is live again').waitFor();
  await page.locator('.place').getByText('up to date').waitFor();
  await page.locator('.timeline').getByText('handled').nth(1).waitFor();

  await page.getByRole('searchbox', { name: 'Find an aggregate by its id' }).fill('stuck-1');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'stuck-1' }).waitFor();
  await page.locator('.timeline').getByText('runs now').waitFor();
  service.bedside.release();
  await expect(closeAll(looks)).resolves.toEqual([]);
}, 120_000);

describe('who is answered', () => {
  test('without a guard: this machine, and no other Host', async () => {
    const [service] = services;
    const url = `${service!.url}/api/aggregates`;
    await expect(fetch(url).then(({ status }) => status)).resolves.toBe(200);
    await expect(
      fetch(url, { headers: { 'x-forwarded-for': '10.0.0.1' } }).then(({ status }) => status),
    ).resolves.toBe(403);
    await expect(fetch(`${url}/`).then(({ status }) => status)).resolves.toBe(200);
    await expect(fetch(`${url}/find?text=fine-1`).then((response) => response.json())).resolves.toMatchObject(
      [{ topic: 'orders', aggregateId: 'fine-1' }],
    );
  });

  test('with a guard: those whom it lets in, on every path', async () => {
    const board = AggregateBoardModule.forRoot({ path: 'board', guard: Doorman });
    const service = await startRealService(server().url, [board]);
    services.push(service);
    for (const path of ['', '/live?view=overview', '/find?text=a', '/assets/board.js']) {
      await expect(fetch(`${service.url}/board${path}`).then(({ status }) => status)).resolves.toBe(403);
    }
    const headers = { authorization: 'Bearer let-me-in', 'x-forwarded-for': '10.0.0.1' };
    await expect(fetch(`${service.url}/board`, { headers }).then(({ status }) => status)).resolves.toBe(200);
  });
});

test.each([
  ['a path with a wildcard', { path: '/*' }],
  ['no path', {}],
  ['a guard that is none', { path: '/a', guard: {} }],
  ['a link that is no URL of http', { path: '/a', traceUrl: 'javascript:alert(1)//{traceId}' }],
  ['a link without its place', { path: '/a', traceUrl: 'https://traces.example' }],
])('refuses %s when the module is made', (_name, options) => {
  let error: unknown;
  try {
    AggregateBoardModule.forRoot(options as never);
  } catch (found) {
    error = found;
  }
  expect(error).toMatchObject({ code: 'BOARD_OPTIONS_INVALID' });
});
