import { format, resolveConfig } from 'prettier';

/** As `npm run format` writes it. */
export async function formatted(page: string): Promise<string> {
  return format(page, { ...(await resolveConfig('docs/README.md')), parser: 'markdown' });
}

/** A table of GitHub's Markdown. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The anchor of a heading, as GitHub and the site make it. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** At the head of every page that a script writes. */
export const GENERATED =
  '<!-- Written by `npm run reference` from the sources. Change those, and run it again. -->';
