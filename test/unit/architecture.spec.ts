import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

/**
 * The floors of the library: which folder may import from which, and which packages. Type imports count:
 * a type is knowledge, too. Folders of one floor do not know each other.
 */
interface Room {
  readonly knows: readonly string[];
  readonly packages: readonly RegExp[];
}

const anything: Room = { knows: ['*'], packages: [/./] };
const ROOMS: Readonly<Record<string, Room>> = {
  'errors.ts': { knows: [], packages: [] },
  'clock.ts': { knows: [], packages: [] },
  'log.ts': { knows: [], packages: [] },
  'sabotage.ts': { knows: [], packages: [] },
  message: { knows: ['errors.ts'], packages: [/^node:crypto$/] },
  executor: { knows: ['clock.ts', 'errors.ts'], packages: [] },
  settlement: { knows: ['clock.ts', 'errors.ts', 'message'], packages: [] },
  parking: { knows: ['clock.ts', 'errors.ts', 'log.ts', 'message'], packages: [] },
  publisher: { knows: ['clock.ts', 'errors.ts', 'log.ts', 'message'], packages: [] },
  stream: {
    knows: ['clock.ts', 'errors.ts', 'log.ts', 'message', 'parking', 'publisher', 'settlement'],
    packages: [/^nats$/],
  },
  consumer: {
    knows: ['clock.ts', 'errors.ts', 'log.ts', 'message', 'executor', 'parking', 'settlement'],
    packages: [],
  },
  observe: {
    knows: ['clock.ts', 'errors.ts', 'message', 'settlement', 'publisher', 'consumer'],
    packages: [],
  },
  nest: {
    knows: [
      ...['clock.ts', 'errors.ts', 'log.ts', 'message', 'executor', 'settlement', 'publisher', 'stream'],
      ...['consumer', 'parking', 'observe'],
    ],
    packages: [/^@nestjs\//, /^rxjs(\/|$)/, /^nats$/, /^reflect-metadata$/, /^node:util$/],
  },
  cli: {
    knows: ['clock.ts', 'errors.ts', 'log.ts', 'message', 'parking', 'consumer', 'stream'],
    packages: [/^node:/, /^nats$/],
  },
  // The streams in memory stand where `nest` has its ways to NATS.
  testing: {
    knows: ['clock.ts', 'errors.ts', 'sabotage.ts', 'message', 'parking', 'publisher', 'consumer', 'nest'],
    packages: [/^node:/, /^nats$/, /^@nestjs\//],
  },
  'index.ts': anything,
  'testing.ts': anything,
};

const FORBIDDEN_FOLDERS = ['utils', 'util', 'helpers', 'common', 'interfaces', 'types', 'shared', 'lib'];
const MAX_LINES = 260;

type Sources = ReadonlyMap<string, string>;

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

/** Everything a file imports or exports from, types included. */
function importsOf(source: string): string[] {
  const pattern = /(?:\b(?:import|export)\b[^'"`;]*?\bfrom\s*|\bimport\s*\(?\s*)(['"])(?<target>[^'"\n]+)\1/g;
  return [...withoutComments(source).matchAll(pattern)].map((match) => match.groups!['target']!);
}

function roomOf(path: string): string {
  return path.split('/')[0]!;
}

/** The file a relative import means, as a path within the sources. */
function targetOf(path: string, target: string): string {
  return posix.normalize(posix.join(posix.dirname(path), target)).replace(/\.js$/, '.ts');
}

function floorViolations(sources: Sources): string[] {
  const violations: string[] = [];
  for (const [path, source] of sources) {
    const room = ROOMS[roomOf(path)];
    if (room === undefined) {
      violations.push(`${path}: no floor is laid down for ${roomOf(path)}`);
      continue;
    }
    for (const target of importsOf(source)) {
      if (!target.startsWith('.')) {
        // The one switchboard that every floor may ask; see sabotage.ts.
        if (target !== '#sabotage' && !room.packages.some((allowed) => allowed.test(target)))
          violations.push(`${path} imports ${target}`);
        continue;
      }
      const file = targetOf(path, target);
      const isOwn = roomOf(file) === roomOf(path);
      const isKnown = room.knows.includes('*') || room.knows.includes(roomOf(file));
      if (!sources.has(file)) violations.push(`${path} imports ${target}, which is no source file`);
      else if (!isOwn && !isKnown) violations.push(`${path} imports ${file}`);
    }
  }
  return violations;
}

function cycles(sources: Sources): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) {
      found.push([...way.slice(way.indexOf(path)), path].join(' -> '));
      return;
    }
    if (done.has(path)) return;
    for (const target of importsOf(sources.get(path) ?? '')) {
      if (target.startsWith('.')) visit(targetOf(path, target), [...way, path]);
    }
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return found;
}

function namingViolations(sources: Sources): string[] {
  return [...sources.keys()].flatMap((path) => {
    const folders = path.split('/').slice(0, -1);
    const bad = folders
      .filter((folder) => FORBIDDEN_FOLDERS.includes(folder))
      .map((folder) => `${path}: ${folder}`);
    return folders.length > 0 && path.endsWith('/index.ts') ? [...bad, `${path}: an index in a folder`] : bad;
  });
}

function linesOf(source: string): number {
  return withoutComments(source)
    .split('\n')
    .filter((line) => line.trim() !== '').length;
}

function sizeViolations(sources: Sources): string[] {
  return [...sources]
    .filter(([, source]) => linesOf(source) > MAX_LINES)
    .map(([path, source]) => `${path}: ${linesOf(source)} lines`);
}

const root = join(dirname(fileURLToPath(import.meta.url)), '../../libs/aggregate-transport/src');
const library: Sources = new Map(
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => [path.split(sep).join('/'), readFileSync(join(root, path), 'utf8')] as const),
);

describe('the library', () => {
  test('is looked at in whole', () => {
    expect(library.size).toBeGreaterThan(50);
    expect(new Set([...library.keys()].map(roomOf))).toEqual(new Set(Object.keys(ROOMS)));
    expect(importsOf(library.get('publisher/sequencer.ts')!)).toContain('../message/outgoing-event.js');
    expect(relative(root, join(root, 'index.ts'))).toBe('index.ts');
  });

  test('keeps its floors: imports point down, neighbours do not know each other', () => {
    expect(floorViolations(library)).toEqual([]);
  });

  test('has no import cycle, not even of types', () => {
    expect(cycles(library)).toEqual([]);
  });

  test('has no index inside a folder and no folder named after nothing', () => {
    expect(namingViolations(library)).toEqual([]);
  });

  test(`has no file over ${MAX_LINES} lines of code`, () => {
    expect(sizeViolations(library)).toEqual([]);
  });
});

describe('the rules themselves turn red', () => {
  const sources = (files: Record<string, string>): Sources => new Map(Object.entries(files));

  test.each([
    ['consumer knows stream', 'consumer/a.ts', "import { x } from '../stream/b.js';", 'stream/b.ts'],
    ['stream knows consumer', 'stream/a.ts', "import type { X } from '../consumer/b.js';", 'consumer/b.ts'],
    ['executor knows message', 'executor/a.ts', "import { type X } from '../message/b.js';", 'message/b.ts'],
    ['message knows a clock', 'message/a.ts', "export * from '../../libs/aggregate-transport/src/clock.js';", 'clock.ts'],
    ['settlement logs', 'settlement/a.ts', "import\n  '../log.js';", 'log.ts'],
    ['publisher knows stream', 'publisher/a.ts', "const x = await import('../stream/b.js');", 'stream/b.ts'],
    ['errors knows anybody', 'errors.ts', "import { x } from '../../libs/aggregate-transport/src/log.js';", 'log.ts'],
    ['observe knows nest', 'observe/a.ts', "import type { X } from '../nest/b.js';", 'nest/b.ts'],
    ['consumer knows observe', 'consumer/a.ts', "import { x } from '../observe/b.js';", 'observe/b.ts'],
    ['a folder knows the public door', 'nest/a.ts', "import { x } from '../../libs/aggregate-transport/src/index.js';", 'index.ts'],
    ['the library knows its test kit', 'nest/a.ts', "import { x } from '../testing/b.js';", 'testing/b.ts'],
  ])('%s', (_name, path, source, target) => {
    expect(floorViolations(sources({ [path]: source, [target]: '' }))).toEqual([`${path} imports ${target}`]);
  });

  test.each([
    ['message/a.ts', "import { connect } from 'nats';"],
    ['message/a.ts', "import { readFile } from 'node:fs';"],
    ['consumer/a.ts', "import type { Msg } from 'nats';"],
    ['publisher/a.ts', "import {\n  createInbox,\n} from 'nats';"],
    ['observe/a.ts', "import { metrics } from '@opentelemetry/api';"],
    ['stream/a.ts', "import { Injectable } from '@nestjs/common';"],
    ['stream/a.ts', "import { Subject } from 'rxjs';"],
    ['nest/a.ts', "import x from 'lodash';"],
  ])('%s: %s', (path, source) => {
    expect(floorViolations(sources({ [path]: source }))).toHaveLength(1);
  });

  test('a folder nobody laid a floor for, and an import of nothing', () => {
    expect(floorViolations(sources({ 'attic/a.ts': '' }))).toHaveLength(1);
    expect(floorViolations(sources({ 'nest/a.ts': "import './gone.js';" }))).toHaveLength(1);
  });

  test('but what is allowed, or stands in a comment, does not', () => {
    const fine = sources({
      'errors.ts': '',
      'message/a.ts':
        "// import { x } from 'nats';\n/** from '../stream/b.js' */\nimport { x } from '../../libs/aggregate-transport/src/errors.js';",
      'message/b.ts': "import { randomUUID } from 'node:crypto';\nimport { a } from './a.js';",
      'nest/a.ts': "import { Injectable } from '@nestjs/common';\nimport { b } from '../message/b.js';",
    });
    expect(floorViolations(fine)).toEqual([]);
  });

  test('a cycle of two, of three, and of one, of types too', () => {
    expect(
      cycles(sources({ 'a/a.ts': "import './b.js';", 'a/b.ts': "import type { A } from './a.js';" })),
    ).toHaveLength(1);
    expect(
      cycles(
        sources({
          'a.ts': "import { b } from './b.js';",
          'b.ts': "export { c } from './c.js';",
          'c.ts': "type A = import('./a.js').A;",
        }),
      ),
    ).toEqual(['a.ts -> b.ts -> c.ts -> a.ts']);
    expect(cycles(sources({ 'a.ts': "import './a.js';" }))).toHaveLength(1);
    expect(
      cycles(
        sources({ 'a.ts': "import './b.js'; import './c.js';", 'b.ts': "import './c.js';", 'c.ts': '' }),
      ),
    ).toEqual([]);
  });

  test('an index in a folder, and a folder named after nothing', () => {
    const names = namingViolations(
      sources({ 'index.ts': '', 'nest/index.ts': '', 'nest/utils/a.ts': '', 'types/a.ts': '' }),
    );
    expect(names).toHaveLength(3);
  });

  test('a file of 261 lines; blank lines and comments do not count', () => {
    const code = 'x();\n'.repeat(260);
    expect(sizeViolations(sources({ 'a.ts': `${code}\n\n// a\n/*\n * b\n */\n` }))).toEqual([]);
    expect(sizeViolations(sources({ 'a.ts': `${code}y();` }))).toEqual(['a.ts: 261 lines']);
  });
});
