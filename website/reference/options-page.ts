import { DEFAULTS } from '#library/transport/options.js';
import { checkRootOptions } from '#library/transport/option-rules.js';
import { DEFAULTS as POSTGRES_DEFAULTS } from '#postgres/options/options.js';
import { type DescribedOption, OptionReader } from './described-options.js';
import { anchorOf, formatted, GENERATED, tableOf } from './markdown.js';
import {
  type Check,
  checkHandlerOptions,
  checkPostgresOptions,
  grouped,
  knownOptions,
  rangeOf,
} from './option-rules.js';

const LIBS = 'libs/aggregate-transport/src';
const POSTGRES_LIBS = 'libs/aggregate-transport-postgres/src';

/** One interface of options, and where it is checked. */
interface Chapter {
  readonly title: string;
  readonly file: string;
  readonly type: string;
  readonly lead: string;
  readonly groups: readonly string[];
  readonly defaults: object;
  readonly check: Check;
  /** Before the headings of a chapter whose options have names of the page's first one. */
  readonly prefix: string;
  /** Options whose check does not tell their range in one sentence; the docstring does. */
  readonly withoutRange: readonly string[];
}

const TRANSPORT: Chapter = {
  title: 'The transport',
  file: `${LIBS}/transport/options.ts`,
  type: 'AggregateTransportOptions',
  lead:
    '`AggregateTransportModule.forRoot(…)` takes all of them. Those of `stream`, `publish`, `consume`, `parked`,\n' +
    '`positions` and `codec` may also stand at a topic, under `topics.<name>`. The nearest one counts.',
  groups: [
    ...['stream', 'publish', 'consume', 'consume.retry', 'consume.breaker', 'parked', 'positions'],
    ...['jetstream', 'shutdown', 'hooks', 'metrics'],
  ],
  defaults: DEFAULTS,
  check: checkRootOptions,
  prefix: '',
  withoutRange: [],
};

const HANDLER: Chapter = {
  title: 'A handler',
  file: `${LIBS}/nest/handling/aggregate-handler.decorator.ts`,
  type: 'AggregateHandlerOptions',
  lead: '`@AggregateHandler(topic, options)`: for this handler they count before those of its topic.',
  groups: ['retry'],
  defaults: {},
  check: checkHandlerOptions,
  prefix: '@AggregateHandler ',
  withoutRange: [],
};

const POSTGRES: Chapter = {
  title: 'The module',
  file: `${POSTGRES_LIBS}/options/options.ts`,
  type: 'AggregatePostgresOptions',
  lead:
    '`AggregatePostgresModule.forRoot(…)` of `nestjs-aggregate-transport-postgres`. What they are for:\n' +
    '[PostgreSQL](../postgres.md).',
  groups: ['outbox', 'outbox.hooks', 'metrics'],
  defaults: POSTGRES_DEFAULTS,
  check: checkPostgresOptions,
  prefix: '',
  withoutRange: [
    ...['schema', 'tables', 'pool', 'connectionString', 'pglite', 'maxConnections'],
    ...['outbox.topics', 'outbox.notify', 'outbox.keepPublishedMs', 'metrics.meter'],
  ],
};

const headOf = (title: string): string => `# ${title}

${GENERATED}

Each option with its default, its range and what goes wrong at the extremes. Unknown options are refused at start-up,
and so are values out of range: \`OPTIONS_INVALID\` names the option, what was expected and what was found.

Times are in milliseconds, sizes in bytes, unless an option says something else.
`;

/** docs/reference/options.md. */
export function optionsPage(): Promise<string> {
  return formatted([headOf('Options'), ...[TRANSPORT, HANDLER].map(chapterOf)].join('\n'));
}

/** docs/reference/options-postgres.md. */
export function postgresOptionsPage(): Promise<string> {
  return formatted([headOf('Options for PostgreSQL'), chapterOf(POSTGRES)].join('\n'));
}

/** The options that a chapter tells of, and those that its library's check knows; they must be the same. */
export function bothSides(): { readonly title: string; readonly told: string[]; readonly known: string[] }[] {
  return [TRANSPORT, HANDLER, POSTGRES].map((chapter) => ({
    title: chapter.title,
    told: optionsOf(chapter).map(({ path }) => path),
    known: knownOptions(new Set(chapter.groups), chapter.check),
  }));
}

function optionsOf({ file, type, groups }: Chapter): DescribedOption[] {
  return OptionReader.of(file).optionsOf(type, new Set(groups));
}

function chapterOf(chapter: Chapter): string {
  const options = optionsOf(chapter);
  const untold = options.filter(({ text }) => text === '').map(({ path }) => path);
  if (untold.length > 0)
    throw new Error(
      `expected a docstring at each option of ${chapter.type}, found none at ${untold.join(', ')}`,
    );
  const rows = options.map((option) => [
    `[\`${option.path}\`](#${anchorOf(chapter.prefix + option.path)})`,
    option.isRequired ? requirementOf(option) : code(defaultOf(chapter, option)),
    rangeIn(chapter, option),
  ]);
  return [
    `## ${chapter.title}\n`,
    `${chapter.lead}\n`,
    `${tableOf(['option', 'default', 'range'], rows)}\n`,
    ...options.map((option) => sectionOf(chapter, option)),
  ].join('\n');
}

function sectionOf(chapter: Chapter, option: DescribedOption): string {
  const value = defaultOf(chapter, option);
  const facts = [
    option.isRequired
      ? `${capital(requirementOf(option))}.`
      : value === undefined
        ? ''
        : `Default ${code(value)}${sizeOf(value)}.`,
    rangeIn(chapter, option) === '' ? '' : `Takes ${rangeIn(chapter, option)}.`,
  ].filter((fact) => fact !== '');
  return [
    `### ${chapter.prefix}\`${option.path}\`\n`,
    ...(facts.length === 0 ? [] : [`_${facts.join(' ')}_\n`]),
    `${option.text}\n`,
  ].join('\n');
}

/** A member of a group is required if the group is given. */
function requirementOf({ path }: DescribedOption): string {
  const group = path.split('.').slice(0, -1).join('.');
  return group === '' ? 'required' : `required with \`${group}\``;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function rangeIn({ check, withoutRange }: Chapter, { path }: DescribedOption): string {
  if (withoutRange.includes(path)) return '';
  return rangeOf(path, check)
    .replace(/"([\w-]+)"/g, "`'$1'`")
    .replace(/ or (?=.* or )/g, ', ');
}

/** As TypeScript writes it; undefined if there is none. */
function defaultOf({ defaults }: Chapter, { path }: DescribedOption): string | undefined {
  const value = path
    .split('.')
    .reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], defaults);
  if (value === undefined) return undefined;
  if (typeof value === 'number') return grouped(String(value)).replaceAll(' ', '_');
  return typeof value === 'string' ? `'${value}'` : JSON.stringify(value);
}

function code(value: string | undefined): string {
  return value === undefined ? '' : `\`${value}\``;
}

const MIB = 1_048_576;
const GIB = 1_024 * MIB;

/** Of a large power of two, how much that is. */
function sizeOf(value: string): string {
  const number = Number(value.replaceAll('_', ''));
  if (!(number >= MIB) || number % MIB !== 0) return '';
  return number % GIB === 0 ? ` (${number / GIB} GiB)` : ` (${number / MIB} MiB)`;
}
