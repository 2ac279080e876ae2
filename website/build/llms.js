// The pages for readers that are programs: llms.txt lists them, llms-full.txt holds them all.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SUMMARY =
  '> An ordered event transport for NestJS on NATS JetStream: events of one aggregate are stored and handled in ' +
  'order, always.';

/** `sections` are those of the sidebar. */
export function writeLlms(pages, target, sections) {
  const list = sections.flatMap(({ text, items }) => [
    `\n## ${text}\n`,
    ...items.map((item) => `- [${item.text}](${item.link.slice(1)})`),
  ]);
  const files = ['index.html', ...sections.flatMap(({ items }) => items.map(({ link }) => link.slice(1)))];
  const whole = files
    .filter((file) => !file.startsWith('api/'))
    .map(
      (file) => `<!-- ${file} -->\n\n${readFileSync(join(pages, file.replace(/\.html$/, '.md')), 'utf8')}`,
    );
  mkdirSync(target, { recursive: true });
  writeFileSync(
    join(target, 'llms.txt'),
    ['# nestjs-aggregate-transport', '', SUMMARY, ...list, ''].join('\n'),
  );
  writeFileSync(join(target, 'llms-full.txt'), whole.join('\n\n'));
}
