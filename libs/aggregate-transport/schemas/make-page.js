// Writes the tables of docs/json.md from cli.schema.json: `node make-page.js`. A test compares the two.
import { readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';

const PAGE = new URL('../../../docs/json.md', import.meta.url);
const START = '<!-- kinds -->';

function typeOf({ type, const: only, enum: values, format: form, items, properties }) {
  if (only !== undefined) return `\`${JSON.stringify(only)}\``;
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(', ');
  if (form === 'date-time') return 'time, ISO 8601';
  if (type === 'array') return `list of ${items.type === 'object' ? 'objects' : `${items.type}s`}`;
  if (properties !== undefined)
    return `object: ${Object.keys(properties)
      .map((name) => `\`${name}\``)
      .join(', ')}`;
  return type ?? 'any';
}

function sectionOf([kind, { description, properties, required, 'x-commands': commands, 'x-more': more }]) {
  const rows = Object.entries(properties)
    .filter(([name]) => name !== 'v' && name !== 'kind')
    .map(([name, property]) => {
      const optional = required.includes(name) ? '' : ' (may be missing)';
      return `| \`${name}\` | ${typeOf(property)} | ${property.description ?? ''}${optional} |`;
    });
  const by = commands.map((command) => (command === 'every command' ? command : `\`${command}\``)).join(', ');
  return [
    `### ${kind}`,
    `${description}${more === true ? ' More fields may follow.' : ''}`,
    `Printed by ${by}.`,
    ['| field | type | |', '| --- | --- | --- |', ...rows].join('\n'),
  ].join('\n\n');
}

/** The page with its tables made again. */
export async function pageOf(page) {
  const { definitions } = JSON.parse(readFileSync(new URL('cli.schema.json', import.meta.url), 'utf8'));
  const head = page.slice(0, page.indexOf(START) + START.length);
  const text = `${head}\n\n${Object.entries(definitions).map(sectionOf).join('\n\n')}\n`;
  return format(text, { parser: 'markdown', printWidth: 120, proseWrap: 'preserve' });
}

if (process.argv[1] === import.meta.filename) writeFileSync(PAGE, await pageOf(readFileSync(PAGE, 'utf8')));
