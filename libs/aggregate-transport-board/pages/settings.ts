import type { PageSettings } from '../src/http/shell.js';

function contentOf(name: string): string {
  return document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? '';
}

/** What the server wrote into the page. */
export const SETTINGS = JSON.parse(contentOf('board-settings')) as PageSettings;

/** Before every path of the board. */
export const BASE = contentOf('board-base');

export const CSRF = contentOf('board-csrf');
