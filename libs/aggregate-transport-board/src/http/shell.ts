import { AggregateBoardError } from '../errors.js';
import type { PageFile } from './page-files.js';

/** What the page has to know before it asks. */
export interface PageSettings {
  readonly payloads: boolean;
  readonly isReadOnly: boolean;
  /** A template of a link; `{traceId}` stands for the trace. */
  readonly traceUrl: string | undefined;
}

/** What belongs to one request for the page. */
export interface PagePlace {
  readonly csrf: string;
  /** What stands before every link of the page; empty, or relative with a slash at its end. */
  readonly base: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (found) => ENTITIES[found] ?? found);
}

/**
 * The document that loads the front end. Pure.
 * @throws BOARD_PAGES_MISSING
 */
export function shellOf(
  files: readonly PageFile[],
  settings: PageSettings,
  { csrf, base }: PagePlace,
): string {
  const prefix = escaped(base);
  const named = (ending: string): string => escaped(nameOf(files, ending));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Aggregate board</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta name="board-csrf" content="${escaped(csrf)}">
<meta name="board-base" content="${prefix}">
<meta name="board-settings" content="${escaped(JSON.stringify(settings))}">
<link rel="icon" href="${prefix}assets/${named('.svg')}">
<link rel="stylesheet" href="${prefix}assets/${named('.css')}">
<script type="module" src="${prefix}assets/${named('.js')}"></script>
</head>
<body>
<div id="board"></div>
<noscript>This board shows what happens as it happens, and needs JavaScript for that.
Without it: npx aggregate-transport status, and npx aggregate-transport parked list.</noscript>
</body>
</html>
`;
}

function nameOf(files: readonly PageFile[], ending: string): string {
  const found = files.find(({ name }) => name.endsWith(ending));
  if (found !== undefined) return found.name;
  throw new AggregateBoardError(
    'BOARD_PAGES_MISSING',
    'expected the files of the front end in this build, found none; install the package again, or run npm run build',
  );
}
