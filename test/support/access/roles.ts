import { readFileSync } from 'node:fs';

export type Side = 'publish' | 'subscribe';

/** One line of a role's permissions in docs/security.md. */
export interface Line {
  readonly side: Side;
  readonly filter: string;
  /** What stands after it. */
  readonly note: string;
  /** The server lets it answer what it is asked: `filter` is where answers go. */
  readonly isResponses?: true;
  /** It stands after `# changes`: one that only looks does without. */
  readonly changes?: true;
}

/** A role as the page grants it. */
export interface Role {
  readonly name: string;
  readonly lines: readonly Line[];
}

/** The roles of docs/security.md: each `conf` block with a user and permissions. */
export function rolesOnPage(): readonly Role[] {
  const page = readFileSync('docs/security.md', 'utf8');
  return [...page.matchAll(/^```conf\n\{ user: (\w+),([\s\S]*?)^```/gm)].map(([, name = '', text = '']) => ({
    name,
    lines: linesOf(text),
  }));
}

function linesOf(text: string): Line[] {
  const lines: Line[] = [];
  let side: Side = 'publish';
  let changes = false;
  for (const line of text.split('\n')) {
    if (/^\s*subscribe:/.test(line)) [side, changes] = ['subscribe', false];
    if (/^\s*# changes$/.test(line)) changes = true;
    const responses = /^\s*allow_responses: true\s*#\s*(?<note>.+)$/.exec(line)?.groups?.['note'];
    if (responses !== undefined)
      lines.push({ side: 'publish', filter: '_INBOX.>', note: responses, isResponses: true });
    const { filter, note } = /^\s*"(?<filter>[^"]+)"\s*#\s*(?<note>.+)$/.exec(line)?.groups ?? {};
    if (filter !== undefined && note !== undefined)
      lines.push({ side, filter, note, ...(changes ? { changes } : {}) });
  }
  return lines;
}

/** A user in the words of a server's configuration. */
export function userOf(user: string, lines: readonly Line[]): string {
  const filters = (side: Side): string => {
    const own = lines
      .filter((line) => line.side === side && line.isResponses !== true)
      .map(({ filter }) => filter);
    // An empty list would allow everything.
    return JSON.stringify(own.length === 0 ? ['nothing'] : own);
  };
  const responses = lines.some(({ isResponses }) => isResponses === true) ? ', allow_responses: true' : '';
  const sides = `publish: ${filters('publish')}, subscribe: ${filters('subscribe')}${responses}`;
  return `{ user: "${user}", password: pw, permissions: { ${sides} } }`;
}

/** True if a filter, with its wildcards, admits the subject or the narrower filter. Pure. */
export function admits(filter: string, subject: string): boolean {
  const [wanted, found] = [filter.split('.'), subject.split('.')];
  const rest = wanted.at(-1) === '>';
  if (rest ? found.length < wanted.length : found.length !== wanted.length) return false;
  return wanted.every((token, index) => token === '*' || token === '>' || token === found[index]);
}

/** The subjects that a text names as not permitted. */
export function deniedIn(text: string, side: Side): string[] {
  const pattern = new RegExp(`the permission to ${side} to "([^"]+)"`, 'g');
  return [...text.matchAll(pattern)].map(([, subject = '']) => subject);
}
