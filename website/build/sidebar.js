// The sidebar, made of the pages that exist. A page that no section names stands in the last one.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Pages and folders of pages, in the order in which they are read. Those that are not made of docs stand below. */
const SECTIONS = [
  ...JSON.parse(readFileSync(join(import.meta.dirname, '../sections.json'), 'utf8')),
  ['API', ['api/']],
  [
    'Project',
    ['readme', 'examples', 'bench', 'changelog', 'contributing', 'security-policy', 'code-of-conduct'],
  ],
];
/** Sections that stand open. */
const OPEN = 2;
const REST = 'More';

export function sidebarOf(pages) {
  const taken = new Set();
  const sections = SECTIONS.map(([text, names]) => ({
    text,
    items: [
      ...new Set(names.flatMap((name) => (name.endsWith('/') ? pagesUnder(pages, name) : [`${name}.md`]))),
    ]
      .filter((path) => existsSync(join(pages, path)) && !taken.has(path))
      .map((path) => {
        taken.add(path);
        return { text: titleOf(join(pages, path)), link: `/${path.replace(/\.md$/, '.html')}` };
      }),
  }));
  const rest = readdirSync(pages, { recursive: true })
    .map((name) => name.replaceAll('\\', '/'))
    .filter(
      (path) => path.endsWith('.md') && !taken.has(path) && path !== 'index.md' && !path.startsWith('api/'),
    )
    .map((path) => ({ text: titleOf(join(pages, path)), link: `/${path.replace(/\.md$/, '.html')}` }));
  return [...sections, { text: REST, items: rest }]
    .filter(({ items }) => items.length > 0)
    .map((section, index) => ({ ...section, collapsed: index >= OPEN }));
}

/** The page named index first, then by name. Of the API only the entry points: each has a list of its own. */
function pagesUnder(pages, folder) {
  if (!existsSync(join(pages, folder))) return [];
  const isShown = (name) =>
    name.endsWith('.md') && (folder !== 'api/' || /^(?:[^/]+\/)?index\.md$/.test(name));
  return readdirSync(join(pages, folder), { recursive: true })
    .map((name) => name.replaceAll('\\', '/'))
    .filter(isShown)
    .sort((a, b) => Number(b === 'index.md') - Number(a === 'index.md') || a.localeCompare(b))
    .map((name) => folder + name);
}

function titleOf(file) {
  const heading = /^# (.+)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? 'Untitled';
  return heading.replace(/[`*_]/g, '').replace(/\\/g, '');
}
