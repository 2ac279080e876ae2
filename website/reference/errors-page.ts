import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { formatted, GENERATED } from './markdown.js';

/** What the union of codes says of one code. */
export interface DescribedCode {
  readonly code: string;
  /** The comment that begins its part of the union: `wiring, reported at start-up`. */
  readonly part: string;
  readonly when: string;
  readonly remedy: string;
}

interface Library {
  readonly title: string;
  readonly file: string;
  readonly union: string;
  readonly lead: string;
}

const LIBRARIES: readonly Library[] = [
  {
    title: 'The transport',
    file: 'libs/aggregate-transport/src/errors.ts',
    union: 'AggregateTransportErrorCode',
    lead: 'Codes of `AggregateTransportError`.',
  },
  {
    title: 'PostgreSQL',
    file: 'libs/aggregate-transport-postgres/src/errors.ts',
    union: 'AggregatePostgresErrorCode',
    lead: 'Codes of `AggregatePostgresError`. Errors about an event are those of `publish`, above.',
  },
];

/** Where a page tells more of a code. */
const MORE: Readonly<Record<string, readonly [page: string, name: string]>> = {
  PAYLOAD_INVALID: ['../shapes.md', 'shapes'],
  VERSION_NEWER: ['../shapes.md', 'shapes'],
  SEQUENCE_UNKNOWN: [
    '../operations/repairs.md#a-chain-of-expectations-such-as-an-outboxs',
    'a chain of expectations',
  ],
  RECORD_MISSING: ['../operations/backup.md#backup-and-restore', 'backup and restore'],
  OLD_CONSUMERS: ['../operations/repairs.md#old-consumers', 'old consumers'],
  PARK_REFUSED: ['../operations/repairs.md#a-full-parked-stream', 'a full parked stream'],
  OUTCOME_UNKNOWN: ['../guarantees.md', 'guarantees'],
  FENCED: ['../postgres.md#the-inbox', 'the inbox'],
};

const LEAD = `# Errors

${GENERATED}

Every error of the libraries has a \`code\`. **Decide on the code, never on the text.** The text says what was
expected, what was found and what to do; \`cause\` is the error behind it. A code is never reused for another meaning.

_Not stored_ means that the event is in no stream, so it can be published again.
`;

/** docs/reference/errors.md. */
export function errorsPage(): Promise<string> {
  return formatted([LEAD, ...LIBRARIES.map(chapterOf)].join('\n'));
}

/** @throws Error for a code without a docstring, or without its "Do:" */
export function describedCodes({ file, union }: Pick<Library, 'file' | 'union'>): DescribedCode[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const declared = source.statements.find(
    (node): node is ts.TypeAliasDeclaration => ts.isTypeAliasDeclaration(node) && node.name.text === union,
  );
  if (declared === undefined || !ts.isUnionTypeNode(declared.type))
    throw new Error(`expected a union ${union} in ${file}, found none`);
  const text = source.text.slice(declared.type.getFullStart(), declared.type.getEnd());
  let part = '';
  return [...text.matchAll(/^ *(?:\/\/ (.+)|(?:(\/\*\*[\s\S]*?\*\/)\s*)?\| '(\w+)')/gm)].flatMap(
    ([, heading, comment = '', code]) => {
      part = heading ?? part;
      return code === undefined ? [] : [{ code, part, ...saidOf(code, comment) }];
    },
  );
}

function saidOf(code: string, comment: string): Pick<DescribedCode, 'when' | 'remedy'> {
  const words = comment
    .replace(/^\/\*\*|\*\/$/g, '')
    .replace(/^\s*\* ?/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  const [when = '', remedy = ''] = words.split(/ ?\bDo: /);
  if (when === '' || remedy === '')
    throw new Error(`expected a docstring with "Do:" at the code ${code}, found "${words}"`);
  return { when, remedy };
}

function chapterOf(library: Library): string {
  const codes = describedCodes(library);
  const parts = [...new Set(codes.map(({ part }) => part))];
  const sections = parts.map((part) =>
    [
      `### ${part.charAt(0).toUpperCase()}${part.slice(1)}\n`,
      ...codes.filter((code) => code.part === part).map(sectionOf),
    ].join('\n'),
  );
  return [`## ${library.title}\n`, `${library.lead}\n`, ...sections].join('\n');
}

function sectionOf({ code, when, remedy }: DescribedCode): string {
  const [page, name] = MORE[code] ?? [];
  const more = page === undefined ? '' : ` More: [${name ?? ''}](${page}).`;
  const todo = remedy.charAt(0).toUpperCase() + remedy.slice(1);
  return [`#### \`${code}\`\n`, `${filled(when)}\n`, `${filled(`**Do:** ${todo}${more}`)}\n`].join('\n');
}

const MAX_LINE = 116;

/** Breaks lines between words. */
function filled(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > MAX_LINE) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join('\n');
}
