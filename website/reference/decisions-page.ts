import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatted, GENERATED, tableOf } from './markdown.js';

const FOLDER = 'docs/decisions';

const LEAD = `# Decisions

${GENERATED}

What was decided once and is not seen from the code: why it is so, what was tried, and what it costs. A decision that
no longer holds stays here, and names the one that replaced it.
`;

/** docs/decisions/README.md. */
export function decisionsPage(): Promise<string> {
  const rows = readdirSync(FOLDER)
    .filter((name) => /^\d{4}-.+\.md$/.test(name))
    .sort()
    .map((name) => rowOf(name, readFileSync(join(FOLDER, name), 'utf8')));
  return formatted(`${LEAD}\n${tableOf(['decision', 'status'], rows)}\n`);
}

function rowOf(name: string, text: string): [decision: string, status: string] {
  const [, number = '', title = ''] = /^# (\d{4}) · (.+)$/m.exec(text) ?? [];
  if (number !== name.slice(0, 4))
    throw new Error(`expected ${name} to begin with its number, found "${number}"`);
  return [`[${number} · ${title}](${name})`, statusOf(text)];
}

/** As the text below the title says it. */
function statusOf(text: string): string {
  const head = text.split(/\n\*\*(?:Context|Decision)/)[0] ?? '';
  const superseded = /Superseded by (\[\d{4}\]\([^)]+\))/.exec(head)?.[1];
  if (superseded !== undefined) return `superseded by ${superseded}`;
  const amended = [...head.matchAll(/(?:Amended by|And by)\s+(\[\d{4}\]\([^)]+\))/g)].map(
    ([, link]) => link ?? '',
  );
  return amended.length === 0 ? 'holds' : `holds, amended by ${amended.join(' and ')}`;
}
