import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

const WEBSITE = 'website';
export const DIST = join(WEBSITE, 'dist');
/** The site is served from here: it has to work from any folder. */
const FOLDER = '/some/folder/';
const KINDS: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.json': 'application/json',
};

/**
 * Installs what the site is built with, if that is not there, and builds it. Rejects with what was printed. With
 * SITE_IS_BUILT in the environment the site is taken as `npm run site` left it.
 */
export async function buildSite(): Promise<void> {
  if (process.env['SITE_IS_BUILT'] !== undefined) return;
  const installed = join(WEBSITE, 'node_modules/.package-lock.json');
  const lock = join(WEBSITE, 'package-lock.json');
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs)
    await run('npm', 'ci', '--prefix', WEBSITE, '--no-audit', '--no-fund', '--ignore-scripts');
  await run(process.execPath, join(WEBSITE, 'build.js'));
}

function run(command: string, ...args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { shell: process.platform === 'win32' });
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0
        ? resolve()
        : reject(new Error(`${args.join(' ')} ended with ${code ?? 'a signal'}:\n${printed}`)),
    );
  });
}

/** The HTML pages of the built site, by their paths in it. */
export function builtPages(): string[] {
  return readdirSync(DIST, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.html'));
}

/** Serves the site below {@link FOLDER}, and nothing else. */
export async function serveSite(): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').split(/[?#]/)[0] ?? '');
    const file = join(DIST, path.slice(FOLDER.length));
    const found = path.startsWith(FOLDER) && !path.includes('..') ? fileAt(file) : undefined;
    if (found === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-type': KINDS[extname(found)] ?? 'application/octet-stream' });
    response.end(readFileSync(found));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${port}${FOLDER}` };
}

function fileAt(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  if (!statSync(path).isDirectory()) return path;
  const index = join(path, 'index.html');
  return existsSync(index) ? index : undefined;
}
