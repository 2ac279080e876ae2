// The examples as a reader would run them: copied out of the repository, installed and started. The packed tarballs
// stand for npm.
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './pack.js';

export const EXAMPLES = [
  { name: 'orders-to-billing', shows: '30 of 30 orders were billed in order' },
  { name: 'postgres-outbox', shows: '20 orders were committed of 30, and 20 invoices agree' },
];

const shell = process.platform === 'win32';

function npm(cwd, args, env) {
  const { status, stdout, stderr } = spawnSync('npm', args, {
    cwd,
    encoding: 'utf8',
    shell,
    timeout: 300_000,
    env,
  });
  if (status !== 0) throw new Error(`npm ${args.join(' ')}:\n${stdout}${stderr}`);
  return stdout;
}

/** Throws unless the example says what it must show. */
export function runExample({ name, shows }, { folder, tarball, postgresTarball }) {
  const project = join(folder, name);
  cpSync(join(root, 'examples', name), project, {
    recursive: true,
    filter: (path) => !/[\\/](?:node_modules|dist)$/.test(path),
  });
  const file = join(project, 'package.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  const tarballs = {
    'nestjs-aggregate-transport': tarball,
    'nestjs-aggregate-transport-postgres': postgresTarball,
  };
  for (const [library, path] of Object.entries(tarballs))
    if (manifest.dependencies[library] !== undefined) manifest.dependencies[library] = `file:${path}`;
  writeFileSync(file, JSON.stringify(manifest));
  // Each brings its own servers, as for a reader who has none.
  const env = { ...process.env, NATS_URL: undefined, DATABASE_URL: undefined };
  npm(project, ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'], env);
  const output = npm(project, ['start', '--silent'], env);
  if (!output.includes(shows)) throw new Error(`expected "${shows}", found:\n${output}`);
  return output;
}
