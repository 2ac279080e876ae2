import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const ARGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
];

/** A step of a page that takes longer fails, with its name: long before Jest ends the whole test without one. */
const STEP_MS = 20_000;

/** Debian's browser, without a window. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS, headless: true });
}

export interface LookOptions {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  /** Where a finished site stands: warnings, answers that are errors, and requests to elsewhere are faults, too. */
  readonly site?: string;
}

/** The browser itself reports requests that fail, such as to a board that is away. */
const FAILED_LOAD = 'Failed to load resource';

/** A page that writes down what must never happen on it. */
export interface Look {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Errors of the console, of scripts and of the content policy, and dialogs that opened. */
  readonly faults: string[];
}

export async function look(
  browser: Browser,
  { width = 1_280, height = 900, dark = false, site }: LookOptions = {},
): Promise<Look> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    timezoneId: 'UTC',
    locale: 'en-GB',
  });
  context.setDefaultTimeout(STEP_MS);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith(FAILED_LOAD)) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  if (site !== undefined) judgeLoads(page, site, faults);
  await page.addInitScript(`
    globalThis.violations = [];
    addEventListener('securitypolicyviolation', (event) => globalThis.violations.push(event.violatedDirective));
  `);
  return { context, page, faults };
}

function judgeLoads(page: Page, site: string, faults: string[]): void {
  page.on('console', (message) => {
    if (message.type() === 'warning') faults.push(`${page.url()}: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(site)) faults.push(`${page.url()} asked for ${request.url()}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400)
      faults.push(`${page.url()}: ${response.status()} instead of ${response.url()}`);
  });
}

/** What the content policy has stopped on a page. */
export function violationsOf(page: Page): Promise<string[]> {
  return page.evaluate<string[]>('globalThis.violations');
}

/** By how many pixels a page is wider than its window. */
export function sidewaysOf(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
}

/**
 * Closes all of them, and resolves with what must never have happened on them. They are closed in any case, so that
 * the faults of one test are not told by the next one.
 */
export async function closeAll(looks: Look[]): Promise<string[]> {
  const found: string[] = [];
  for (const { context, page, faults } of looks.splice(0)) {
    found.push(...faults, ...(await violationsOf(page)));
    await context.close();
  }
  return found;
}
