import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const ARGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
];

/** Debian's browser, without a window. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS, headless: true });
}

export interface LookOptions {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
}

/** A page that writes down what must never happen on it. */
export interface Look {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Errors of the console, of scripts and of the content policy, and dialogs that opened. */
  readonly faults: string[];
}

export async function look(
  browser: Browser,
  { width = 1_280, height = 900, dark = false }: LookOptions = {},
): Promise<Look> {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? 'dark' : 'light',
    timezoneId: 'UTC',
    locale: 'en-GB',
  });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('console', (message) => {
    // The browser itself reports requests that fail, such as to a board that is away.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.addInitScript(`
    globalThis.violations = [];
    addEventListener('securitypolicyviolation', (event) => globalThis.violations.push(event.violatedDirective));
  `);
  return { context, page, faults };
}

/** What the content policy has stopped on a page. */
export function violationsOf(page: Page): Promise<string[]> {
  return page.evaluate<string[]>('globalThis.violations');
}
