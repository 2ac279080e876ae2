import { readdirSync, readFileSync } from 'node:fs';
import { LOG_EVENTS } from '#library/log-events/log-events.js';
import type { LogEventDefinition, LogPlace } from '#library/log-events/definition.js';
import { LOG_EVENTS as POSTGRES_EVENTS } from '#postgres/log-events.js';
import { GAP, logCallsOf, textsOf, treesOf } from './source-texts.js';

export const LOGS_PAGE = 'docs/logs.md';
export const COLUMNS = ['event', 'level', 'text', 'fields', 'meaning', 'do'] as const;

const BOTH = ['libs/aggregate-transport/src', 'libs/aggregate-transport-postgres/src'];
const ATTEMPT = `${GAP}: ${GAP} of aggregate "${GAP}" (sequence ${GAP}) failed in its ${GAP} (attempt ${GAP})`;

/** Texts that are put together at run time. Their parts are looked for in the sources. */
const MADE: Readonly<Record<string, readonly string[]>> = {
  'attempt-failed': [`${ATTEMPT}, again in ${GAP} ms: ${GAP}`],
  'batch-failed': [
    `${GAP} and the ${GAP} events after it failed together in their ${GAP}; each is tried again alone: ${GAP}`,
  ],
  'aggregate-blocked': [`${ATTEMPT}; its aggregate is blocked and tried again every ${GAP} ms: ${GAP}`],
  'aggregate-parked': [`${ATTEMPT}; its aggregate is parked (${GAP}): ${GAP}`],
  'aggregate-stays-parked': [`${ATTEMPT}; its aggregate stays parked: ${GAP}`],
  'event-skipped': [
    `${ATTEMPT}; it is skipped: a hole in the order (${GAP}): ${GAP}`,
    `no aggregate has its subject, so it is passed over and kept among the skipped`,
  ],
  'event-halts': [`${ATTEMPT}: ${GAP}`],
  'connection-closed': [
    `expected connection "${GAP}" to come back by itself, found that the client has closed it for good`,
  ],
  'events-not-stored': [`topic "${GAP}": some events are not stored yet: ${GAP}; they are sent again`],
  'relay-restarted': [`topic "${GAP}": the relay begins again: ${GAP}`],
  'relay-lock-lost': [`topic "${GAP}": the relay has lost its connection, and its lock: ${GAP}`],
  'repeats-left-out': [`${GAP}: ${GAP} further line(s) that repeat had no room within ${GAP} s: ${GAP}`],
  'day-table-made': [`the day table ${GAP} was made`],
  'day-table-dropped': [`the day table ${GAP} was dropped`],
  'events-dropped': [
    `${GAP}: the stream has dropped events${GAP} before they were read: ${GAP} of this partition`,
    `${GAP}: the stream has dropped events up to sequence ${GAP}; those after ${GAP} were never handled here`,
    `${GAP}: the stream has dropped event ${GAP} before it was handled`,
  ],
};

const SECTIONS: Readonly<Record<LogPlace, string>> = {
  process: 'The process',
  connection: 'Connections',
  topic: 'Topics and publishing',
  group: 'Groups and replicas',
  partition: 'Partitions, handling and parking',
};

const PLACE_FIELDS: Readonly<Record<LogPlace, readonly string[]>> = {
  process: [],
  connection: ['connection'],
  topic: ['topic'],
  group: ['topic', 'group'],
  partition: ['topic', 'group', 'partition'],
};

type Definition = Omit<LogEventDefinition, 'place' | 'fields' | 'sometimes'> & {
  readonly place?: LogPlace;
  readonly fields: readonly string[];
  readonly sometimes?: readonly string[];
};

const calls = BOTH.flatMap((folder) => [...treesOf(folder).values()]).flatMap(logCallsOf);

/** Names of events that no call writes; a name that is put into a call as a value counts as written. */
export function unusedEvents(): string[] {
  const named = new Set(
    BOTH.flatMap((folder) => [...treesOf(folder)])
      .filter(([path]) => !path.startsWith('log-events'))
      .flatMap(([, tree]) => textsOf(tree)),
  );
  return [...Object.keys(LOG_EVENTS), ...Object.keys(POSTGRES_EVENTS)].filter((event) => !named.has(event));
}

/** Parts of texts that no source has. */
export function partsNotInSources(): string[] {
  const texts = BOTH.flatMap((folder) => [...treesOf(folder).values()])
    .flatMap(textsOf)
    .join('\n');
  return Object.values(MADE)
    .flat()
    .flatMap((text) => text.split(/[…();:",]/))
    .map((part) => part.trim())
    .filter((part) => part.length > 14 && !texts.includes(part));
}

function textsFor(event: string): readonly string[] {
  const made = MADE[event];
  if (made !== undefined) return made;
  const said = new Set(calls.filter((call) => call.event === event).map(({ text }) => text));
  if (said.size === 0 || said.has(GAP))
    throw new Error(`expected a text of ${event}, found none; enter it in MADE`);
  return [...said];
}

const asCode = (texts: readonly string[]): string =>
  texts.map((text) => `\`${text.replaceAll('|', '\\|').replaceAll('`', "'")}\``).join(' or ');

/** As GitHub makes it of a heading. */
/** The page for operators that has this heading. */
function placeOf(heading: string): string {
  const page = readdirSync('docs/operations').find((name) =>
    readFileSync(`docs/operations/${name}`, 'utf8')
      .split('\n')
      .some((line) => line.replace(/^#+ /, '') === heading),
  );
  if (page === undefined) throw new Error(`expected a page of docs/operations with the heading ${heading}`);
  return `operations/${page}#${heading.toLowerCase().replaceAll(' ', '-')}`;
}

function rowOf(event: string, definition: Definition): string[] {
  const { level, place, fields, sometimes = [], fails } = definition;
  const always = [
    ...(place === undefined ? [] : PLACE_FIELDS[place]),
    ...fields,
    ...(fails ? ['why', 'errorName'] : []),
  ];
  const some = [...sometimes, ...(fails ? ['errorCode'] : [])];
  const names = [...always.map((name) => `\`${name}\``), ...some.map((name) => `\`${name}\`?`)];
  return [
    `\`${event}\``,
    level,
    asCode(textsFor(event)),
    names.join(', ') || '—',
    definition.means,
    definition.do.replace(/see _([^_]+)_/g, (_, name: string) => `see [${name}](${placeOf(name)})`),
  ];
}

/** The tables that docs/logs.md has to have, by heading. */
export function logTables(): ReadonlyMap<string, readonly (readonly string[])[]> {
  const tables = new Map<string, string[][]>();
  const add = (title: string, event: string, definition: Definition): void => {
    const rows = tables.get(title) ?? [];
    tables.set(title, rows);
    rows.push(rowOf(event, definition));
  };
  for (const title of Object.values(SECTIONS)) tables.set(title, []);
  for (const [event, definition] of Object.entries<LogEventDefinition>(LOG_EVENTS))
    add(SECTIONS[definition.place], event, definition);
  for (const [event, definition] of Object.entries<Definition>(POSTGRES_EVENTS))
    add('The PostgreSQL library', event, definition);
  return tables;
}

/** A table in Markdown, not aligned. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const lines = [COLUMNS, COLUMNS.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
