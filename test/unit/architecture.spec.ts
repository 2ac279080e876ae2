import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

/**
 * The floors of the library: which room may import from which, and which packages. Type imports count: a type is
 * knowledge, too. A room is a folder without the folders in it, or a single file. Rooms of one floor do not know each
 * other.
 */
interface Room {
  readonly knows: readonly string[];
  /** Of other origin. */
  readonly packages?: readonly RegExp[];
}

const CORE = /^nestjs-aggregate-transport$/;
const OPERATING = /^nestjs-aggregate-transport\/operating$/;
const NEST = [/^@nestjs\//, /^rxjs(\/|$)/, /^reflect-metadata$/, /^node:(util|async_hooks)$/];
const messages = ['message', 'message/shapes', 'message/outgoing'];
const ground = [
  ...['clock.ts', 'counted.ts', 'errors.ts', 'foreign.ts', 'line-room.ts', 'log.ts', 'log-events'],
  ...['in-parallel.ts', 'on-abort.ts', 'passing-map.ts', 'traceparent.ts'],
];
const consumerRooms = [
  'reading',
  'position',
  'suspects',
  'breaker',
  'handling',
  'letters',
  'lanes',
  'ownership',
  'repartition',
].map((room) => `consumer/${room}`);
const underLetters = [
  ...[...ground, 'message', 'records', 'executor', 'parking'],
  ...['consumer/suspects', 'consumer/breaker'],
];
const streamRooms = [
  'stream/port',
  'stream/clients',
  'stream/connection',
  'stream/api',
  'stream/keys',
  'stream/wires',
  'stream/groups',
  'stream/operating',
];
const adapters = ['stream/clients/nats-client.ts', 'stream/clients/nats-io-client.ts'];
/** What a command does, and what is injected: between `stream` and `transport`. */
const operatingRooms = ['operating/commands', 'operating/groups', 'operating/aggregates', 'operating/server'];
const operatingLetters = 'operating/letters';
const operatingTopics = 'operating/topics';
const underTransport = [
  ...messages,
  'records',
  'parking',
  'asking',
  ...['publisher', 'publisher/checks'],
  'consumer',
  ...consumerRooms,
  'observe',
  'observe/asked',
  'tracing',
  ...operatingRooms,
];

/** The commands of one area. */
const commandRoom: Room = {
  knows: [
    ...[...ground, 'message', 'records', 'parking', ...consumerRooms, ...streamRooms],
    ...[...operatingRooms, 'cli/command'],
  ],
  packages: [/^node:/],
};

const ROOMS: Readonly<Record<string, Room>> = {
  'errors.ts': { knows: [] },
  'clock.ts': { knows: [] },
  'counted.ts': { knows: [] },
  'foreign.ts': { knows: [] },
  // What each line means: the source of docs/logs.md.
  'log-events': { knows: [] },
  'line-room.ts': { knows: ['clock.ts'] },
  'log.ts': { knows: ['errors.ts', 'log-events'] },
  'sabotage.ts': { knows: [] },
  'in-parallel.ts': { knows: [] },
  'on-abort.ts': { knows: [] },
  'passing-map.ts': { knows: [] },
  // What other tracers write into headers.
  'traceparent.ts': { knows: [] },
  // For handlers; nothing of the library uses it.
  'effect-collector.ts': { knows: ['errors.ts'] },
  // What travels.
  message: { knows: ['errors.ts', 'foreign.ts'], packages: [/^node:crypto$/] },
  'message/shapes': { knows: ['errors.ts', 'foreign.ts', 'message'] },
  'message/outgoing': { knows: ['errors.ts', 'message'] },
  // A codec that a service may choose; nothing of the library uses it.
  'message/cloud-events': { knows: ['errors.ts', 'message'] },
  records: { knows: ['errors.ts', 'traceparent.ts', 'message'] },
  // What running processes are asked, and how they answer.
  asking: { knows: [...ground, 'message'] },
  // Stations of the path.
  executor: { knows: ['clock.ts', 'errors.ts', 'passing-map.ts'] },
  publisher: { knows: [...ground, ...messages] },
  'publisher/checks': { knows: [...ground, ...messages, 'publisher'] },
  parking: { knows: [...ground, 'message', 'records'] },
  'consumer/reading': { knows: [...ground, 'message'] },
  'consumer/position': { knows: [...ground, 'message', 'records'] },
  'consumer/suspects': { knows: [...ground, 'message', 'records', 'executor'] },
  'consumer/breaker': { knows: [...ground, 'message', 'executor'] },
  'consumer/handling': {
    knows: [
      ...[...ground, 'message', 'message/shapes', 'records', 'executor'],
      ...['consumer/suspects', 'consumer/breaker'],
    ],
  },
  'consumer/letters': { knows: [...underLetters, 'consumer/handling'] },
  // Ties them together, for all aggregates of a partition.
  'consumer/lanes': { knows: [...underLetters, 'consumer/handling', 'consumer/letters'] },
  'consumer/ownership': { knows: [...ground, 'records'] },
  'consumer/repartition': { knows: [...ground, 'message', 'records'] },
  // The hall ties its rooms together.
  consumer: { knows: [...ground, 'message', 'records', 'parking', ...consumerRooms] },
  // All that is NATS.
  'stream/port': { knows: [...ground], packages: [/^node:crypto$/] },
  'stream/clients': {
    knows: [...ground, 'stream/port', ...adapters],
    packages: [/^node:(module|path)$/],
  },
  // The two adapters, and no other file, import a client.
  'stream/clients/nats-client.ts': { knows: ['stream/clients'], packages: [/^nats$/] },
  'stream/clients/nats-io-client.ts': {
    knows: ['stream/clients'],
    packages: [/^@nats-io\/transport-node$/],
  },
  'stream/connection': { knows: [...ground, 'stream/port', 'stream/clients'] },
  'stream/api': {
    knows: [...ground, 'message', 'records', 'publisher', 'stream/port', 'stream/connection'],
  },
  'stream/keys': {
    knows: [...ground, 'message', 'records', 'publisher', 'stream/port', 'stream/connection', 'stream/api'],
  },
  'stream/wires': {
    knows: [
      ...[...ground, ...messages, 'records', 'publisher', 'parking'],
      ...['stream/port', 'stream/connection', 'stream/api', 'stream/keys'],
    ],
  },
  'stream/groups': {
    knows: [
      ...ground,
      'message',
      'records',
      'stream/port',
      'stream/connection',
      'stream/api',
      'stream/keys',
      'stream/wires',
    ],
  },
  // What operators ask and change, over NATS.
  'stream/operating': {
    knows: [
      ...[...ground, 'message', 'records', 'stream/port', 'stream/connection'],
      ...['stream/api', 'stream/keys', 'stream/wires', 'stream/groups'],
    ],
  },
  // What operators ask of owners, by markers.
  'operating/commands': { knows: [...ground, 'message', 'records', 'parking'] },
  // What operators do, over ports.
  'operating/groups': { knows: [...ground, 'message', 'records', 'parking', 'consumer/repartition'] },
  // What a command of an operator does, wherever it is given.
  'operating/doctor': { knows: [...ground, 'records'] },
  [operatingTopics]: { knows: [...ground, ...messages] },
  [operatingLetters]: { knows: [...ground, ...messages, 'records', 'parking', 'operating/commands'] },
  // What commands ask of the streams of whole topics.
  'stream/topics': {
    knows: [
      ...[...ground, 'message', 'records', 'publisher'],
      ...['stream/port', 'stream/connection', 'stream/api', 'stream/keys', 'stream/wires', 'stream/groups'],
    ],
  },
  'operating/server': {
    knows: ['parking', 'records', 'asking', 'operating/groups', 'operating/aggregates'],
  },
  // All of it together, as tools of operators use it.
  operations: {
    knows: [
      ...[...ground, 'message', 'records', 'parking', 'asking', ...operatingRooms, operatingLetters],
      ...['stream/port', 'stream/clients', 'stream/connection', 'stream/api', 'stream/operating'],
    ],
  },
  // What a process says of itself when it is asked.
  'observe/asked': {
    knows: [
      ...[...ground, 'message', 'records', 'asking', 'observe'],
      ...['consumer', 'consumer/lanes', 'consumer/handling'],
    ],
  },
  observe: { knows: [...ground, 'message', 'records', 'publisher', 'consumer', ...consumerRooms] },
  // What a command and an injectable do alike: over ports, without Nest and without a terminal.
  'operating/aggregates': { knows: [...ground, 'message', 'records', 'parking', 'operating/commands'] },
  // Spans of publish calls and attempts. The only room that loads the package, and only if there is a tracer.
  tracing: {
    knows: [...ground, 'message', 'consumer/handling'],
    packages: [/^@opentelemetry\/api$/],
  },
  transport: { knows: [...ground, ...underTransport, ...streamRooms] },
  // Documents of an application, from plain facts.
  documents: { knows: ['message'] },
  // Nest, and nothing that talks to a server.
  'nest/log-forms.ts': { knows: [], packages: NEST },
  'nest/field-logger.ts': {
    knows: ['clock.ts', 'errors.ts', 'line-room.ts', 'nest/log-forms.ts'],
    packages: NEST,
  },
  'nest/nest-log.ts': { knows: ['log.ts', 'nest/field-logger.ts'], packages: NEST },
  'nest/tokens.ts': { knows: ['message'], packages: NEST },
  'nest/handling': nestRoom(),
  'nest/publishing': nestRoom(),
  // What Nest does around a handler, without Nest.
  'nest/pipeline': nestRoom('nest/handling'),
  'nest/serving': nestRoom('nest/handling', 'nest/pipeline'),
  'nest/operating': nestRoom('nest/handling', 'nest/serving', operatingLetters, 'operations'),
  // Reads an application without running it.
  'nest/documents': { ...nestRoom('nest/handling', 'nest/serving', 'documents'), packages: NEST },
  nest: nestRoom('nest/publishing', 'nest/handling', 'nest/serving', 'nest/operating'),
  // What a command is, and what all of them print with.
  'cli/command': {
    knows: [...ground, 'message', 'stream/connection', 'operations'],
    packages: [/^node:/],
  },
  // From flags, variables and contexts to what a connection needs.
  'cli/access': { knows: ['cli/command', 'stream/clients', 'stream/connection'], packages: [/^node:/] },
  'cli/status': commandRoom,
  'cli/ask': { ...commandRoom, knows: [...commandRoom.knows, 'operations'] },
  // The one room that speaks the Model Context Protocol, with its SDK.
  'cli/mcp': {
    knows: [...commandRoom.knows, 'operations'],
    packages: [/^node:/, /^@modelcontextprotocol\/sdk\//],
  },
  'cli/parked': { ...commandRoom, knows: [...commandRoom.knows, operatingLetters, 'stream/topics'] },
  'cli/group': commandRoom,
  'cli/aggregate': commandRoom,
  'cli/doctor': {
    ...commandRoom,
    knows: [...commandRoom.knows, 'operating/doctor', 'stream/topics', 'transport'],
  },
  'cli/topic': { ...commandRoom, knows: [...commandRoom.knows, operatingTopics, 'stream/topics'] },
  'cli/verify': {
    ...commandRoom,
    knows: [
      ...commandRoom.knows,
      ...['judging', 'verifying', 'verifying/harness', 'transport', 'cli/access', 'cli/status'],
    ],
  },
  // What each process of a run becomes: loaded by those processes alone, and with it Nest.
  'cli/verify/processes': {
    knows: [
      ...[...ground, 'verifying', 'verifying/harness', 'operating/doctor', 'stream/clients'],
      ...['stream/connection', 'transport', 'nest', 'nest/handling', 'nest/publishing', 'nest/serving'],
      ...['nest/tokens.ts', 'cli/command', 'cli/access'],
    ],
    packages: [...NEST, /^node:/],
  },
  // The one command that loads an application, and with it Nest: at run time, by a dynamic import of `nest/documents`.
  'cli/asyncapi': {
    knows: ['errors.ts', 'cli/command', 'documents', 'nest/documents'],
    packages: [/^node:/],
  },
  cli: {
    knows: [
      ...ground,
      ...['stream/port', 'stream/clients', 'stream/connection'],
      ...['cli/command', 'cli/access', 'cli/status', 'cli/parked', 'cli/group', 'cli/aggregate'],
      ...['cli/topic', 'cli/doctor', 'cli/asyncapi', 'cli/ask', 'cli/mcp'],
      ...['cli/verify', 'cli/verify/processes'],
    ],
    packages: [/^node:/],
  },
  // Judges histories: for tests of users, and for `verify`. It knows what is promised, and nothing of how.
  judging: { knows: [] },
  // Processes under faults: for `verify`, and for the fault runs of this repository.
  'verifying/harness/dies-with-parent.ts': { knows: [], packages: [/^node:/] },
  'verifying/harness': { knows: ['verifying/harness/dies-with-parent.ts'], packages: [/^node:/] },
  verifying: { knows: ['judging', 'verifying/harness'], packages: [/^node:/] },
  testing: { knows: ['sabotage.ts'] },
  // Real time, for tests of users.
  'testing/wait-for.ts': { knows: ['clock.ts', 'errors.ts'] },
  // What tools of operators ask of a topic in memory.
  'testing/operated': {
    knows: [...['clock.ts', 'message', 'records', 'parking', 'asking'], ...operatingRooms],
  },
  // Streams in memory stand where `transport` has its ways to NATS.
  'testing/memory': {
    knows: [
      ...[...ground, ...messages, 'records', 'parking', 'publisher', 'consumer/repartition', 'transport'],
      ...['operating/groups', 'operating/aggregates', 'operating/server'],
      ...['testing/operated', 'testing/wait-for.ts'],
    ],
  },
  'testing/aggregate-transport-testing.module.ts': {
    ...nestRoom(
      ...['nest/publishing', 'nest/handling', 'nest/serving', 'nest/operating', 'nest', 'testing/memory'],
    ),
    packages: [/^@nestjs\//],
  },
  'testing/nats': {
    knows: [
      ...['clock.ts', 'errors.ts', 'log.ts', 'stream/port', 'stream/connection'],
      'verifying/harness/dies-with-parent.ts',
    ],
    packages: [/^node:/],
  },
  'index.ts': { knows: ['*'] },
  'operating.ts': { knows: ['*'] },
  'testing.ts': { knows: ['*'] },
};

function nestRoom(...more: readonly string[]): Room {
  return {
    knows: [...ground, ...underTransport, 'transport', 'nest/nest-log.ts', 'nest/tokens.ts', ...more],
    packages: NEST,
  };
}

const postgresGround = ['errors.ts', 'transaction'];
const relayGround = [...postgresGround, 'clock.ts', 'log.ts', 'schema/schema-names.ts', 'database', 'outbox'];
const relayRooms = ['relay/rows', 'relay/sending', 'relay/records'];

/** The same for the second library. It knows the first one by its public door alone. */
const POSTGRES_ROOMS: Readonly<Record<string, Room>> = {
  'errors.ts': { knows: [], packages: [CORE] },
  'clock.ts': { knows: [] },
  'log-events.ts': { knows: [] },
  'log.ts': { knows: ['log-events.ts'] },
  'sabotage.ts': { knows: [] },
  // Ports: to a transaction of the caller, and to a database that this library opens.
  transaction: { knows: ['errors.ts'] },
  'schema/schema-names.ts': { knows: ['errors.ts'], packages: [/^node:crypto$/] },
  // `pg` is loaded where a pool of our own is asked for, and nowhere else.
  database: { knows: [...postgresGround, 'schema/schema-names.ts'], packages: [/^pg$/] },
  schema: { knows: [...postgresGround, 'database', 'schema/schema-names.ts'] },
  // Stations of the path.
  outbox: { knows: [...postgresGround, 'schema/schema-names.ts'], packages: [CORE] },
  inbox: { knows: [...postgresGround, 'database', 'schema/schema-names.ts'], packages: [CORE] },
  options: { knows: ['errors.ts', 'database', 'schema/schema-names.ts'], packages: [CORE] },
  'relay/rows': { knows: relayGround, packages: [CORE] },
  'relay/sending': { knows: [...relayGround, 'relay/rows'], packages: [CORE, /^node:events$/] },
  'relay/records': { knows: [...relayGround, 'relay/rows'], packages: [CORE] },
  // The hall ties its rooms together.
  relay: { knows: [...relayGround, ...relayRooms], packages: [CORE] },
  'relay/operating': { knows: [...relayGround, 'schema', ...relayRooms, 'relay'], packages: [CORE] },
  nest: {
    knows: [...relayGround, 'schema', 'inbox', 'options', ...relayRooms, 'relay', 'relay/operating'],
    packages: [CORE, /^@nestjs\//, /^node:(os|async_hooks)$/, /^reflect-metadata$/],
  },
  cli: {
    knows: ['errors.ts', 'database', 'schema', 'schema/schema-names.ts', 'inbox', 'relay/operating', 'nest'],
    // As other packages with commands, it is given the ways to reach the servers.
    packages: [CORE, OPERATING, /^node:/],
  },
  testing: { knows: ['sabotage.ts'] },
  'testing/postgres': { knows: ['errors.ts'], packages: [/^node:/] },
  'index.ts': { knows: ['*'] },
  'cli.ts': { knows: ['*'], packages: [OPERATING] },
  'testing.ts': { knows: ['*'] },
};

const boardGround = ['errors.ts', 'clock.ts', 'log.ts', 'failure.ts', 'source'];

/** The same for the board. */
const BOARD_ROOMS: Readonly<Record<string, Room>> = {
  'errors.ts': { knows: [], packages: [CORE] },
  'clock.ts': { knows: [] },
  'log.ts': { knows: [] },
  'failure.ts': { knows: [] },
  'options.ts': { knows: ['errors.ts'] },
  // The port to all that is shown and done.
  source: { knows: [] },
  // Its adapter over the operations of the core.
  operations: { knows: boardGround, packages: [OPERATING] },
  commands: { knows: boardGround },
  live: { knows: boardGround, packages: [/^node:http$/] },
  http: { knows: [...boardGround, 'commands', 'live'], packages: [/^node:(http|crypto)$/] },
  nest: {
    knows: [...boardGround, 'options.ts', 'live', 'operations', 'http'],
    packages: [CORE, /^@nestjs\/common$/, /^node:http$/],
  },
  cli: { knows: [...boardGround, 'options.ts', 'http'], packages: [OPERATING, /^node:/] },
  'index.ts': { knows: ['*'] },
  'cli.ts': { knows: ['*'], packages: [OPERATING] },
};

/** The starter: a command that writes files. It knows neither library. */
const CREATE_ROOMS: Readonly<Record<string, Room>> = {
  'create-error.ts': { knows: [] },
  'names.ts': { knows: ['create-error.ts'] },
  'template.ts': { knows: ['names.ts'] },
  'command-line.ts': { knows: ['create-error.ts'], packages: [/^node:util$/] },
  'questions.ts': { knows: ['command-line.ts', 'names.ts'], packages: [/^node:readline\/promises$/] },
  'service-folder.ts': {
    knows: ['create-error.ts', 'template.ts'],
    packages: [/^node:(fs\/promises|path)$/],
  },
  'install.ts': { knows: ['create-error.ts'], packages: [/^node:child_process$/] },
  'main.ts': { knows: ['*'], packages: [/^node:(fs\/promises|path|url)$/] },
};

const FORBIDDEN_FOLDERS = ['utils', 'util', 'helpers', 'common', 'interfaces', 'types', 'shared', 'lib'];
const MAX_LINES = 260;
const MAX_FILES = 15;

type Sources = ReadonlyMap<string, string>;

type Rooms = Readonly<Record<string, Room>>;

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

interface Import {
  readonly target: string;
  readonly isTypeOnly: boolean;
}

/** Everything a file imports or exports from, types included. */
function importsOf(source: string): Import[] {
  const pattern =
    /(?<how>\b(?:import|export)\b[^'"`;]*?\bfrom\s*|\bimport\s*\(?\s*)(['"])(?<target>[^'"\n]+)\2/g;
  return [...withoutComments(source).matchAll(pattern)].map(({ groups }) => ({
    target: groups!['target']!,
    isTypeOnly: /^(?:import|export)\s+type\b/.test(groups!['how']!),
  }));
}

/** The file itself if it is a room, else its folder. */
function roomOf(path: string, rooms: Rooms): string {
  if (path in rooms || !path.includes('/')) return path;
  return posix.dirname(path);
}

/** The file a relative import means, as a path within the sources. */
function targetOf(path: string, target: string): string {
  return posix.normalize(posix.join(posix.dirname(path), target)).replace(/\.js$/, '.ts');
}

function floorViolations(sources: Sources, rooms: Rooms = ROOMS): string[] {
  return [...sources].flatMap(([path, source]) => {
    const name = roomOf(path, rooms);
    const room = rooms[name];
    if (room === undefined) return [`${path}: no floor is laid down for ${name}`];
    return importsOf(source).flatMap((one) =>
      one.target.startsWith('.')
        ? roomViolations({ sources, rooms }, path, room, one)
        : packageViolations(path, room, one),
    );
  });
}

function packageViolations(path: string, { packages = [] }: Room, found: Import): string[] {
  // The one switchboard that every floor may ask; see sabotage.ts.
  if (found.target === '#sabotage' || packages.some((one) => one.test(found.target))) return [];
  return [`${path} imports ${found.target}`];
}

function roomViolations(
  { sources, rooms }: { readonly sources: Sources; readonly rooms: Rooms },
  path: string,
  { knows }: Room,
  { target }: Import,
): string[] {
  const file = targetOf(path, target);
  if (!sources.has(file)) return [`${path} imports ${target}, which is no source file`];
  const other = roomOf(file, rooms);
  const isKnown = other === roomOf(path, rooms) || knows.includes('*') || knows.includes(other);
  return isKnown ? [] : [`${path} imports ${file}`];
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
    for (const { target } of importsOf(sources.get(path) ?? '')) {
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

function crowdedFolders(sources: Sources): string[] {
  const counts = new Map<string, number>();
  for (const path of sources.keys()) {
    const folder = posix.dirname(path);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count > MAX_FILES)
    .map(([folder, count]) => `${folder}: ${count} files`);
}

/** The folders of the picture of floors, and files that stand apart from theirs, each with its floor. */
function floorsIn(section: string): Map<string, number> {
  const picture = section.split('```').find((block) => block.includes(' floor 1 ')) ?? '';
  const floors = new Map<string, number>();
  let floor = NaN;
  for (const line of picture.split('\n')) {
    floor = Number(/^ floor (\d+) /.exec(line)?.[1] ?? floor);
    for (const [place] of line.matchAll(/(?<= )[a-z-]+\/\S*/g)) floors.set(place.replace(/\/$/, ''), floor);
  }
  return floors;
}

/** Imports from one place of the picture to another that is not below it. */
function upward(sources: Sources, floors: ReadonlyMap<string, number>): string[] {
  const placeOf = (path: string): string | undefined => {
    for (let place = path; place !== '.'; place = posix.dirname(place)) if (floors.has(place)) return place;
    return undefined;
  };
  return [...sources].flatMap(([path, source]) =>
    importsOf(source).flatMap(({ target }) => {
      const from = placeOf(path);
      const to = target.startsWith('.') ? placeOf(targetOf(path, target)) : undefined;
      if (from === undefined || to === undefined || from === to) return [];
      return floors.get(from)! > floors.get(to)! ? [] : [`${path} imports ${target}`];
    }),
  );
}

const libs = join(dirname(fileURLToPath(import.meta.url)), '../../libs');

function sourcesOf(library: string): Sources {
  const root = join(libs, library, 'src');
  return new Map(
    readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => [path.split(sep).join('/'), readFileSync(join(root, path), 'utf8')] as const),
  );
}

const architecture = readFileSync(join(libs, '../docs/architecture.md'), 'utf8');
const library = sourcesOf('aggregate-transport');
const postgres = sourcesOf('aggregate-transport-postgres');
const board = sourcesOf('aggregate-transport-board');

describe.each([
  { name: 'aggregate-transport', sources: library, rooms: ROOMS },
  { name: 'aggregate-transport-postgres', sources: postgres, rooms: POSTGRES_ROOMS },
  { name: 'aggregate-transport-board', sources: board, rooms: BOARD_ROOMS },
  { name: 'create-aggregate-service', sources: sourcesOf('create-aggregate-service'), rooms: CREATE_ROOMS },
])('the library $name', ({ sources, rooms }) => {
  test('is read as a whole: every room has its floor, and every floor its room', () => {
    expect(new Set([...sources.keys()].map((path) => roomOf(path, rooms)))).toEqual(
      new Set(Object.keys(rooms)),
    );
  });

  test('keeps its floors: imports point down, and rooms of one floor do not know each other', () => {
    expect(floorViolations(sources, rooms)).toEqual([]);
  });

  test('has no import cycle, not even of types', () => {
    expect(cycles(sources)).toEqual([]);
  });

  test('has no index inside a folder, and no folder whose name says nothing', () => {
    expect(namingViolations(sources)).toEqual([]);
  });

  test(`has no file over ${MAX_LINES} lines of code`, () => {
    expect(sizeViolations(sources)).toEqual([]);
  });

  test(`has no folder with more than ${MAX_FILES} files`, () => {
    expect(crowdedFolders(sources)).toEqual([]);
  });
});

describe('the libraries', () => {
  const root = join(libs, 'aggregate-transport/src');

  test('are read at all', () => {
    expect(library.size).toBeGreaterThan(50);
    expect(postgres.size).toBeGreaterThan(20);
    expect(board.size).toBeGreaterThan(20);
    expect(importsOf(library.get('publisher/sequencer.ts')!)).toContainEqual({
      target: '../message/outgoing/outgoing-event.js',
      isTypeOnly: true,
    });
    expect(relative(root, join(root, 'index.ts'))).toBe('index.ts');
  });

  test('the first does not know the others, except the names of their packages in the list of commands', () => {
    const knowing = [...library].filter(
      ([path, source]) => /aggregate-transport-(?:postgres|board)/.test(source) && !path.startsWith('cli/'),
    );
    expect(knowing).toEqual([]);
  });

  test.each([
    ['aggregate-transport', 'The house', library, ROOMS],
    ['aggregate-transport-postgres', 'The library for PostgreSQL', postgres, POSTGRES_ROOMS],
    ['aggregate-transport-board', 'The board', board, BOARD_ROOMS],
  ])(
    '%s stands in docs/architecture.md as it is: each folder, on a floor above all it imports',
    (...given) => {
      const [, heading, sources, rooms] = given;
      const section = architecture.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
      const floors = floorsIn(section);
      // The rooms of `cli/` are named like their commands.
      const folders = Object.keys(rooms).filter((room) => !/\.ts$|^cli\//.test(room));
      expect(folders.filter((room) => !section.includes(`${posix.basename(room)}/`))).toEqual([]);
      expect(upward(sources, floors)).toEqual([]);
      // A picture that says nothing forbids nothing.
      expect(floors.size).toBeGreaterThan(5);
    },
  );

  test('have their unit tests in folders named like its rooms', () => {
    const unit = join(libs, '../test/unit');
    const folders = readdirSync(unit, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.includes(sep) && path.endsWith('.ts'))
      .map((path) => posix.dirname(path.split(sep).join('/')));
    const postgresRooms = Object.keys(POSTGRES_ROOMS).map((room) => `postgres/${room}`);
    const boardRooms = Object.keys(BOARD_ROOMS).map((room) => `board/${room}`);
    const rooms = [
      ...Object.keys(ROOMS),
      ...postgresRooms,
      ...boardRooms,
      'board',
      'postgres',
      'bench',
      'create',
      'docs',
      'site',
      'consumer/walks',
    ];
    expect(new Set(folders.filter((folder) => !rooms.includes(folder)))).toEqual(new Set());
  });
});

describe('the rules themselves turn red', () => {
  const sources = (files: Record<string, string>): Sources => new Map(Object.entries(files));

  test.each([
    ['consumer knows stream', 'consumer/a.ts', "import { x } from '../stream/api/b.js';", 'stream/api/b.ts'],
    [
      'reading knows handling',
      'consumer/reading/a.ts',
      "import type { X } from '../handling/b.js';",
      'consumer/handling/b.ts',
    ],
    [
      'position knows its hall',
      'consumer/position/a.ts',
      "import type { X } from '../b.js';",
      'consumer/b.ts',
    ],
    [
      'the hall knows the executor',
      'consumer/a.ts',
      "import { x } from '../executor/b.js';",
      'executor/b.ts',
    ],
    [
      'stream knows consumer',
      'stream/wires/a.ts',
      "import type { X } from '../../consumer/b.js';",
      'consumer/b.ts',
    ],
    ['wires know groups', 'stream/wires/a.ts', "import { x } from '../groups/b.js';", 'stream/groups/b.ts'],
    ['api knows keys', 'stream/api/a.ts', "import { x } from '../keys/b.js';", 'stream/keys/b.ts'],
    ['api knows wires', 'stream/api/a.ts', "import { x } from '../wires/b.js';", 'stream/wires/b.ts'],
    ['executor knows message', 'executor/a.ts', "import { type X } from '../message/b.js';", 'message/b.ts'],
    ['message knows a clock', 'message/a.ts', "export * from '../clock.js';", 'clock.ts'],
    ['records log', 'records/a.ts', "import\n  '../log.js';", 'log.ts'],
    [
      'publisher knows stream',
      'publisher/a.ts',
      "const x = await import('../stream/api/b.js');",
      'stream/api/b.ts',
    ],
    ['errors know a log', 'errors.ts', "import { x } from './log.js';", 'log.ts'],
    ['observe knows nest', 'observe/a.ts', "import type { X } from '../nest/b.js';", 'nest/b.ts'],
    ['consumer knows observe', 'consumer/a.ts', "import { x } from '../observe/b.js';", 'observe/b.ts'],
    [
      'transport knows nest',
      'transport/a.ts',
      "import type { X } from '../nest/handling/b.js';",
      'nest/handling/b.ts',
    ],
    [
      'publishing knows handling',
      'nest/publishing/a.ts',
      "import { x } from '../handling/b.js';",
      'nest/handling/b.ts',
    ],
    [
      'nest knows a stream',
      'nest/handling/a.ts',
      "import { x } from '../../stream/api/b.js';",
      'stream/api/b.ts',
    ],
    ['a folder knows the public door', 'nest/a.ts', "import { x } from '../index.js';", 'index.ts'],
    ['the library knows its test kit', 'nest/a.ts', "import { x } from '../testing/b.js';", 'testing/b.ts'],
    [
      'streams in memory know nest',
      'testing/memory/a.ts',
      "import { x } from '../../nest/b.js';",
      'nest/b.ts',
    ],
  ])('%s', (_name, path, source, target) => {
    expect(floorViolations(sources({ [path]: source, [target]: '' }))).toEqual([`${path} imports ${target}`]);
  });

  test.each([
    ['message/a.ts', "import { connect } from 'nats';"],
    ['message/a.ts', "import { readFile } from 'node:fs';"],
    ['consumer/a.ts', "import type { Msg } from 'nats';"],
    ['publisher/a.ts', "import {\n  createInbox,\n} from 'nats';"],
    ['observe/a.ts', "import { metrics } from '@opentelemetry/api';"],
    ['stream/api/a.ts', "import { Injectable } from '@nestjs/common';"],
    ['stream/wires/a.ts', "import type { Msg } from 'nats';"],
    ['stream/connection/a.ts', "const x = await import('@nats-io/transport-node');"],
    ['stream/clients/client-port.ts', "import type { Msg } from '@nats-io/nats-core';"],
    ['stream/clients/nats-client.ts', "import { wsconnect } from '@nats-io/transport-node';"],
    ['stream/wires/a.ts', "import { Subject } from 'rxjs';"],
    ['transport/a.ts', "import { connect } from 'nats';"],
    ['transport/a.ts', "import { type Msg, connect } from 'nats';"],
    ['transport/a.ts', "import type { Type } from '@nestjs/common';"],
    ['testing/memory/a.ts', "import type { Type } from '@nestjs/common';"],
    ['nest/a.ts', "import type { NatsConnection } from 'nats';"],
    ['nest/a.ts', "import x from 'lodash';"],
  ])('%s: %s', (path, source) => {
    expect(floorViolations(sources({ [path]: source }))).toHaveLength(1);
  });

  test('a folder without a floor, and an import of a file that does not exist', () => {
    expect(floorViolations(sources({ 'attic/a.ts': '' }))).toHaveLength(1);
    expect(floorViolations(sources({ 'nest/a.ts': "import './gone.js';" }))).toHaveLength(1);
  });

  test('but what is allowed, or stands in a comment, does not', () => {
    const fine = sources({
      'errors.ts': '',
      'message/a.ts':
        "// import { x } from 'nats';\n/** from '../stream/b.js' */\nimport { x } from '../errors.js';",
      'message/b.ts': "import { randomUUID } from 'node:crypto';\nimport { a } from './a.js';",
      'stream/clients/nats-client.ts': "const load = async () => import('nats');",
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

  test('an index in a folder, and a folder whose name says nothing', () => {
    const names = namingViolations(
      sources({ 'index.ts': '', 'nest/index.ts': '', 'nest/utils/a.ts': '', 'types/a.ts': '' }),
    );
    expect(names).toHaveLength(3);
  });

  test('a folder of 16 files; files in folders below do not count', () => {
    const files = (count: number, folder: string): [string, string][] =>
      Array.from({ length: count }, (_, index) => [`${folder}/${index}.ts`, '']);
    expect(crowdedFolders(new Map([...files(15, 'a'), ...files(15, 'a/b')]))).toEqual([]);
    expect(crowdedFolders(new Map(files(16, 'a')))).toEqual(['a: 16 files']);
  });

  test('a file of 261 lines of code; blank lines and comments do not count', () => {
    const code = 'x();\n'.repeat(260);
    expect(sizeViolations(sources({ 'a.ts': `${code}\n\n// a\n/*\n * b\n */\n` }))).toEqual([]);
    expect(sizeViolations(sources({ 'a.ts': `${code}y();` }))).toEqual(['a.ts: 261 lines']);
  });
});
