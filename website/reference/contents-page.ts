import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatted, GENERATED } from './markdown.js';

const LEAD = `# Documentation

${GENERATED}

An ordered event transport for NestJS on NATS JetStream. Events of one aggregate are stored in the order in which they
were published, and handled in the order in which they were stored. A crash, a cut connection or a failing handler
delays them; it never reorders and never loses them.

What it looks like in code: the [README](../README.md). What is promised, and what is not:
[guarantees](guarantees.md). An alarm fired: [what to run first](observability.md#when-an-alarm-fires).
`;

type Section = readonly [title: string, names: readonly string[]];

/** docs/README.md: every page there is, by section. */
export function contentsPage(): Promise<string> {
  const sections = JSON.parse(readFileSync('website/sections.json', 'utf8')) as readonly Section[];
  const taken = new Set(['README.md']);
  const lists = sections.map(([title, names]) => listOf(title, names.flatMap(pagesOf), taken));
  const folders = new Set(
    [...taken].filter((page) => page.endsWith('/README.md')).map((page) => dirname(page)),
  );
  const rest = listOf(
    'More',
    pagesOf('').filter((page) => !folders.has(dirname(page))),
    taken,
  );
  return formatted([LEAD, ...lists, rest].join('\n'));
}

/** The pages that a name stands for; a name that ends with a slash stands for all of a folder. */
function pagesOf(name: string): string[] {
  if (name !== '' && !name.endsWith('/')) return existsSync(join('docs', `${name}.md`)) ? [`${name}.md`] : [];
  if (!existsSync(join('docs', name))) return [];
  // A page that tells of its folder lists what is in it.
  if (name !== '' && existsSync(join('docs', name, 'README.md'))) return [`${name}README.md`];
  return readdirSync(join('docs', name), { recursive: true, encoding: 'utf8' })
    .map((path) => name + path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.md'))
    .sort((a, b) => Number(b.endsWith('README.md')) - Number(a.endsWith('README.md')) || a.localeCompare(b));
}

function listOf(title: string, pages: readonly string[], taken: Set<string>): string {
  const items = [...new Set(pages)]
    .filter((page) => !taken.has(page))
    .map((page) => {
      taken.add(page);
      const heading = /^# (.+)$/m.exec(readFileSync(join('docs', page), 'utf8'))?.[1] ?? page;
      return `- [${heading}](${page})`;
    });
  return items.length === 0 ? '' : [`## ${title}\n`, ...items, ''].join('\n');
}
