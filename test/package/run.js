// npm run test:package: packs both libraries and installs the tarballs in projects outside the repository. It runs the
// examples of the pages there, on a real nats-server and PostgreSQL. Then it creates a service from the tarball of
// create-aggregate-service, and runs the examples. Needs a registry for npm install. Arguments: names.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCreated } from './created.js';
import { EXAMPLES, runExample } from './examples.js';
import { pack, root } from './pack.js';

const COMMON = {
  'reflect-metadata': '0.2.2',
  rxjs: '7.8.2',
  typescript: '6.0.3',
  '@types/node': '20.19.43',
};
const nest = (core, microservices) => ({
  '@nestjs/common': core,
  '@nestjs/core': core,
  '@nestjs/platform-express': core,
  '@nestjs/microservices': microservices,
});
const NEST_12 = nest('12.5.1', '12.1.1');
const NEST_11 = nest('^11.2.6', '^11.2.6');
const NATS = { nats: '2.29.3' };
const NATS_IO = { '@nats-io/transport-node': '3.4.0' };

/**
 * skipLibCheck off: our types must stand by themselves, with no optional peer installed. `lib` is left to the
 * target, because the types of the nats client need those of the DOM.
 */
const TSCONFIG = {
  compilerOptions: {
    module: 'nodenext',
    moduleResolution: 'nodenext',
    target: 'ES2022',
    types: ['node'],
    strict: true,
    skipLibCheck: false,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
    isolatedModules: true,
    rootDir: 'src',
    outDir: 'dist',
  },
  include: ['src'],
};

// Written rather than kept as a file: the repository's own Jest would take it for one of its tests.
const SPEC = `import { runAlike } from './alike-cases';
import { runExample } from './example';
import { runFailures } from './failures';
import { runWays } from './ways';

const servers = process.env['NATS_URL'] ?? '';

test('the example of the README', async () => {
  expect(await runExample(servers)).toBe('10 handled, 0 repeated, 1 shipped');
});

test('failures by stage', async () => {
  expect(await runFailures(servers)).toBe('4 stages reported, each with its error');
});

test('handlers that are called directly, and others', async () => {
  expect(await runWays()).toMatch(/^\\d+ handlers go their way$/);
});

test('enhancers with and without the pipeline of Nest', async () => {
  expect(await runAlike({ every: 10 })).toMatch(/^\\d+ cases alike/);
}, 120_000);
`;

const PROJECTS = [
  {
    ...{ name: 'nest-12-esm', type: 'module', run: ['node', 'dist/main.js'] },
    dependencies: { ...NEST_12, ...NATS_IO },
  },
  {
    ...{ name: 'nest-12-commonjs', type: 'commonjs', run: ['node', 'dist/main.js'] },
    dependencies: { ...NEST_12, ...NATS_IO },
  },
  {
    ...{ name: 'nest-11-commonjs', type: 'commonjs', run: ['node', 'dist/main.js'] },
    dependencies: { ...NEST_11, ...NATS },
  },
  {
    name: 'nest-11-commonjs-jest',
    type: 'commonjs',
    dependencies: { ...NEST_11, ...NATS, jest: '29.7.0', 'ts-jest': '29.4.15', '@types/jest': '29.5.14' },
    run: ['npx', '--no-install', 'jest', '--runInBand'],
    jest: {
      preset: 'ts-jest',
      roots: ['src'],
      moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
      testTimeout: 30_000,
    },
    types: ['node', 'jest'],
  },
];

const ON_POSTGRES = {
  sources: ['postgres.ts'],
  run: ['node', 'dist/postgres.js'],
  onPostgres: true,
};
for (const [type, client] of [
  ['module', NATS_IO],
  ['commonjs', NATS],
])
  PROJECTS.push({
    ...{ name: `nest-12-postgres-${type === 'module' ? 'esm' : type}`, type, ...ON_POSTGRES },
    dependencies: { ...NEST_12, ...client, pg: '8.23.1', '@types/pg': '8.23.1' },
  });

const ASK_FOR_EITHER = 'run npm install @nats-io/transport-node (or npm install nats)';
/** What each choice of option client gives, where so many clients are installed. */
const CLIENTS = [
  ['both', { ...NATS, ...NATS_IO }, ['no choice: nats', 'nats: nats', 'nats-io: nats-io']],
  [
    'one',
    NATS_IO,
    ['no choice: nats-io', 'nats: expected the NATS client nats to be installed', 'nats-io: nats-io'],
  ],
  ['no', {}, [ASK_FOR_EITHER, 'run npm install nats', 'run npm install @nats-io/transport-node']],
];
for (const [count, client, shows] of CLIENTS)
  for (const type of ['module', 'commonjs'])
    PROJECTS.push({
      ...{ name: `nest-12-${count}-client-${type === 'module' ? 'esm' : type}`, type },
      dependencies: { ...NEST_12, ...client },
      ...{ sources: ['clients.ts'], run: ['node', 'dist/clients.js'], shows },
    });

const ALIKE = ['alike.ts', 'alike-cases.ts', 'alike-parts.ts'];
const SOURCES = ['example.ts', 'failures.ts', 'ways.ts', 'main.ts', ...ALIKE];

const shell = process.platform === 'win32';

function execute(command, args, cwd, env = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    shell,
    timeout: 300_000,
    env: { ...process.env, ...env },
  });
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')}:\n${stdout ?? ''}${stderr ?? ''}${error ?? ''}`);
  return stdout.trim() === '' ? stderr : stdout;
}

function runProject(
  { name, type, dependencies, run, jest, types, sources = SOURCES, onPostgres, shows = [] },
  { folder, tarball, postgresTarball },
  urls,
) {
  const project = join(folder, name);
  mkdirSync(join(project, 'src'), { recursive: true });
  const manifest = { name, private: true, type, dependencies: { ...COMMON, ...dependencies }, jest };
  manifest.dependencies['nestjs-aggregate-transport'] = `file:${tarball}`;
  if (onPostgres) manifest.dependencies['nestjs-aggregate-transport-postgres'] = `file:${postgresTarball}`;
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest));
  const { compilerOptions } = TSCONFIG;
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      ...TSCONFIG,
      compilerOptions: { ...compilerOptions, types: types ?? compilerOptions.types },
    }),
  );
  if (jest !== undefined) writeFileSync(join(project, 'src/example.spec.ts'), SPEC);
  for (const file of sources) {
    cpSync(join(root, 'test/package/projects', file), join(project, 'src', file));
  }
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
  execute('npm', ['install', ...quiet], project);
  for (const peer of [
    ...['nats', '@nats-io/transport-node'].filter((client) => !(client in dependencies)),
    'class-validator',
    '@nestjs/terminus',
    '@opentelemetry/api',
    'prom-client',
    'typeorm',
    'knex',
  ]) {
    if (existsSync(join(project, 'node_modules', peer)))
      throw new Error(`expected no optional peer, found ${peer}`);
  }
  execute('npx', ['--no-install', 'tsc', '-p', '.'], project);
  cpSync(join(root, 'test/package/projects/copies.cjs'), join(project, 'copies.cjs'));
  execute('node', ['copies.cjs'], project);
  const env = { ...urls, CI: 'true' };
  // As the page says, before the service starts.
  if (onPostgres)
    execute('npx', ['--no-install', 'aggregate-transport', 'postgres', 'migrate'], project, env);
  const output = execute(run[0], run.slice(1), project, env);
  for (const text of shows)
    if (!output.includes(text)) throw new Error(`expected "${text}", found:\n${output}`);
  return output;
}

/** What is run, each with what it needs besides the library. */
const RUNS = [
  ...PROJECTS.map((project) => ({
    ...project,
    start: (packed, urls) => runProject(project, packed, urls),
  })),
  { name: 'created-service', start: (packed, { NATS_URL }) => runCreated(packed, { NATS_URL }) },
  ...EXAMPLES.map((example) => ({
    name: `example-${example.name}`,
    onPostgres: example.name.startsWith('postgres'),
    start: (packed) => runExample(example, packed),
  })),
];

const names = process.argv.slice(2);
const runs = RUNS.filter(({ name }) => names.length === 0 || names.includes(name));
const packed = pack();
const packedPostgres = runs.some(({ onPostgres }) => onPostgres)
  ? pack('aggregate-transport-postgres')
  : undefined;
const packedCreate = runs.some(({ name }) => name === 'created-service')
  ? pack('create-aggregate-service')
  : undefined;
packed.postgresTarball = packedPostgres?.tarball;
packed.createTarball = packedCreate?.tarball;
const { startPostgres } = await import('nestjs-aggregate-transport-postgres/testing');
const { startNatsServer } = await import('nestjs-aggregate-transport/testing');
let failed = 0;
for (const { name, onPostgres, start } of runs) {
  const server = await startNatsServer({ config: '' });
  const database = onPostgres ? await startPostgres({ settings: {} }) : undefined;
  const urls = { NATS_URL: server.url, DATABASE_URL: database?.url ?? '' };
  const startedAt = performance.now();
  try {
    const output = await start(packed, urls);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    console.log(`${name}: passed in ${seconds} s, nats-server ${server.version}\n${output.trim()}\n`);
  } catch (error) {
    failed++;
    console.log(`${name}: FAILED\n${error.message}\n`);
  } finally {
    await server.stop();
    await database?.stop();
  }
}
if (process.env['KEEP_PROJECTS'] === undefined) {
  for (const made of [packed, packedPostgres, packedCreate])
    if (made !== undefined) rmSync(made.folder, { recursive: true });
} else console.log(`kept in ${packed.folder}`);
console.log(`${runs.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
