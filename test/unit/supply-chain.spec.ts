import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { describe, expect, test } from '@jest/globals';

interface Manifest {
  readonly name?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly keywords?: readonly string[];
}

const CORE = 'libs/aggregate-transport';
const LIBRARIES = [
  CORE,
  'libs/aggregate-transport-postgres',
  'libs/aggregate-transport-board',
  'libs/create-aggregate-service',
];
const manifestOf = (library: string): Manifest =>
  JSON.parse(readFileSync(join(library, 'package.json'), 'utf8')) as Manifest;

/** What a source file can reach beyond its own memory. */
const REACHES = {
  files: /from 'node:fs(?:\/promises)?'|from 'fs/,
  network: /from 'node:(?:net|tls|http|https|http2|dgram|dns)'|\bfetch\(url|\bWebSocket\b/,
  processes: /from 'node:(?:child_process|worker_threads|cluster)'/,
  variables: /\bprocess\.env\b/,
  code: /from 'node:vm'|\beval\(|new Function\(/,
} as const;

type Reach = keyof typeof REACHES;

/** The files of the core library that docs/security.md lists. Those for tests go by folder. */
const LISTED: Readonly<Record<Reach, readonly string[]>> = {
  files: [
    'cli/access/connection-options.ts',
    'cli/access/context-files.ts',
    'cli/asyncapi/asyncapi-command.ts',
    'cli/asyncapi/module-file.ts',
    'cli/mcp/own-version.ts',
    'cli/parked/edited-text.ts',
    'cli/parked/export.ts',
    'cli/parked/transfer-commands.ts',
    'cli/topic/copy-command.ts',
    'cli/verify/processes/replica.ts',
    'cli/verify/run-verify.ts',
    'verifying/harness/child-process.ts',
    'verifying/harness/journal.ts',
    'verifying/recorded-history.ts',
    'verifying/retries.ts',
    'verifying/verification.ts',
  ],
  network: ['verifying/harness/tcp-proxy.ts'],
  processes: [
    'cli/parked/edited-text.ts',
    'verifying/harness/child-process.ts',
    'verifying/harness/dies-with-parent.ts',
  ],
  variables: [
    'cli/access/connection-options.ts',
    'cli/doctor/doctor-command.ts',
    'cli/parked/edited-text.ts',
    'stream/clients/find-client.ts',
    'stream/clients/frames-of.ts',
    'verifying/harness/child-process.ts',
  ],
  code: ['verifying/harness/dies-with-parent.ts'],
};
/** What other packages may touch besides: a file, or a folder of it. */
const OF_OTHERS: Readonly<Record<string, Partial<Record<Reach, readonly string[]>>>> = {
  'libs/aggregate-transport-postgres': { variables: ['cli/'] },
  'libs/aggregate-transport-board': { files: ['cli/arguments.ts'], network: ['http/board-server.ts'] },
  'libs/create-aggregate-service': { files: ['main.ts', 'service-folder.ts'], processes: ['install.ts'] },
};
const FOR_TESTS = /^testing\/(?:nats\/|sabotage\.ts$)/;

/** Neither comments nor types: they are gone when it runs. */
function running(source: string): string {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/^import type [^;]*;/gm, '');
}

function sourcesOf(library: string): [path: string, source: string][] {
  const root = join(library, 'src');
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => [path.split(sep).join('/'), running(readFileSync(join(root, path), 'utf8'))]);
}

describe('what the core library may touch', () => {
  const sources = sourcesOf(CORE);

  test.each(Object.keys(REACHES) as Reach[])('%s: what docs/security.md lists, and no more', (reach) => {
    const found = sources
      .filter(([path, source]) => !FOR_TESTS.test(path) && REACHES[reach].test(source))
      .map(([path]) => path);
    expect(found.sort()).toEqual([...LISTED[reach]]);
  });

  test('the page names each of these files, and each variable', () => {
    const page = readFileSync('docs/security.md', 'utf8');
    for (const path of new Set(Object.values(LISTED).flat())) expect(page).toContain(`src/${path}`);
    const variables = sources.flatMap(([path, source]) =>
      LISTED.variables.includes(path) ? [...source.matchAll(/'(AGGREGATE_[A-Z_]+|HOME)'/g)] : [],
    );
    expect(variables.length).toBeGreaterThan(1);
    for (const [, variable = ''] of variables) expect(page).toContain(variable);
  });

  test('the rules themselves find something', () => {
    expect(sources.some(([path, source]) => FOR_TESTS.test(path) && REACHES.processes.test(source))).toBe(
      true,
    );
    expect(REACHES.files.test("import { readFile } from 'node:fs/promises';")).toBe(true);
    expect(REACHES.network.test("import { connect } from 'node:tls';")).toBe(true);
  });
});

test.each(Object.entries(OF_OTHERS))(
  '%s touches what docs/security.md says, and no more',
  (library, listed) => {
    expect(readFileSync('docs/security.md', 'utf8')).toContain(`\`${manifestOf(library).name ?? ''}\``);
    const sources = sourcesOf(library);
    for (const [reach, pattern] of Object.entries(REACHES)) {
      const found = sources.filter(([path, source]) => !path.startsWith('testing/') && pattern.test(source));
      const allowed = listed[reach as Reach] ?? [];
      expect(
        found.map(([path]) => path).filter((path) => !allowed.some((one) => path.startsWith(one))),
      ).toEqual([]);
      for (const one of allowed) expect(found.some(([path]) => path.startsWith(one))).toBe(true);
    }
  },
);

describe.each(LIBRARIES)('%s', (library) => {
  const manifest = manifestOf(library);

  test('has no dependencies of its own: all that it uses is a peer', () => {
    expect({ ...manifest.dependencies, ...manifest.optionalDependencies }).toEqual({});
  });

  test('runs nothing when it is installed', () => {
    const scripts = Object.keys(manifest.scripts ?? {});
    const atInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
    expect(scripts.filter((name) => atInstall.includes(name))).toEqual([]);
  });
});

test('the apps run without development packages, as the first command of the README installs them', () => {
  const { dependencies = {} } = manifestOf('.');
  const imported = readdirSync('apps', { recursive: true, encoding: 'utf8' })
    .filter((path) => /[\\/]src[\\/].*\.ts$/.test(path))
    .flatMap((path) => [
      ...readFileSync(join('apps', path), 'utf8').matchAll(
        /^import (?!type )[^;]*?from '((?:@[\w-]+\/)?[\w-]+)/gm,
      ),
    ])
    .map(([, name = '']) => name)
    .filter((name) => name !== 'node' && !name.startsWith('nestjs-aggregate-transport'));
  expect(imported.length).toBeGreaterThan(30);
  expect([...new Set(imported)].filter((name) => !(name in dependencies))).toEqual([]);
});

test('the peers of the core library are Nest, what Nest needs, the NATS clients, and optional ones', () => {
  const known = ['@nestjs/common', '@nestjs/core', '@nestjs/microservices', 'reflect-metadata', 'rxjs'];
  const clients = ['nats', '@nats-io/transport-node', '@nats-io/nats-core'];
  const optional = ['@modelcontextprotocol/sdk', '@opentelemetry/api'];
  const { peerDependencies, peerDependenciesMeta } = manifestOf(CORE);
  const peers = Object.keys(peerDependencies);
  expect(known.filter((name) => !peers.includes(name))).toEqual([]);
  expect(peers.filter((name) => ![...known, ...clients, ...optional].includes(name))).toEqual([]);
  for (const name of optional) expect(peerDependenciesMeta[name]).toEqual({ optional: true });
});

test('every package is found by what it is for', () => {
  for (const library of LIBRARIES)
    expect([library, manifestOf(library).keywords]).toEqual([
      library,
      expect.arrayContaining(['nestjs', 'nats', 'jetstream']),
    ]);
});

test('the release workflow publishes with provenance, without a token, after the checks', () => {
  const workflow = readFileSync('.github/workflows/release.yml', 'utf8');
  expect(workflow).toContain('id-token: write');
  expect(workflow).not.toMatch(/secrets\.|_authToken|npm publish/);
  expect(workflow.indexOf('npm audit --omit=dev')).toBeGreaterThan(0);
  expect(workflow.indexOf('npm audit --omit=dev')).toBeLessThan(workflow.indexOf('node release.js'));
});

test('the release script publishes every library with provenance, and nothing outside the workflow', () => {
  const plan = execFileSync(process.execPath, ['release.js', '--plan'], { encoding: 'utf8' });
  const commands = plan.split('\n').filter((line) => line.startsWith('npm publish'));
  expect(commands.map((line) => /--workspace (\S+)/.exec(line)?.[1]).toSorted()).toEqual(
    LIBRARIES.map((library) => (manifestOf(library) as { name?: string }).name).toSorted(),
  );
  for (const line of commands) expect(line).toContain('--provenance');
  // The registry compares the repository of a package with that of its provenance.
  const github = { GITHUB_SERVER_URL: 'https://github.com', GITHUB_REPOSITORY: 'acme/transport' };
  const there = { ...process.env, ...github };
  expect(
    execFileSync(process.execPath, ['release.js', '--plan'], { encoding: 'utf8', env: there }),
  ).toContain('repository git+https://github.com/acme/transport.git');
  const env = { ...process.env, GITHUB_ACTIONS: '' };
  expect(spawnSync(process.execPath, ['release.js'], { encoding: 'utf8', env }).status).toBe(1);
});
