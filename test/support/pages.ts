import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Pages beside those of docs. */
const OTHERS = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'bench/README.md'];

/** A block of code as a page shows it. */
export interface CodeBlock {
  readonly page: string;
  /** The line of its first line of code. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
  /** What the hidden comment right above it says; '' without one. */
  readonly comment: string;
}

/** Every page that a reader may come to, by its path. */
export function allPages(): string[] {
  const docs = readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path));
  return [...OTHERS, ...readmesOf('libs'), ...docs];
}

function readmesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && readdirSync(join(folder, entry.name)).includes('README.md'))
    .map(({ name }) => join(folder, name, 'README.md'));
}

/** The blocks of these languages, in all pages. */
export function codeBlocks(...languages: readonly string[]): CodeBlock[] {
  return allPages()
    .flatMap(blocksOf)
    .filter(({ language }) => languages.includes(language));
}

function blocksOf(page: string): CodeBlock[] {
  const text = readFileSync(page, 'utf8');
  const found = text.matchAll(/(?:<!--((?:(?!-->)[\s\S])*)-->\n+)?^( *)```(\w+)[^\n]*\n([\s\S]*?)^\2```$/gm);
  return [...found].map((match) => {
    const [whole, comment = '', indent = '', language = '', code = ''] = match;
    const line = text.slice(0, match.index + whole.indexOf('```')).split('\n').length + 1;
    const lines = code.split('\n').map((one) => (one.startsWith(indent) ? one.slice(indent.length) : one));
    return { page, line, language, code: lines.join('\n'), comment: comment.trim() };
  });
}
