import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

const WEBSITE = 'website';
export const DIST = join(WEBSITE, 'dist');
/** The site is served from here: it has to work from any folder. */
export const FOLDER = '/some/folder/';
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

const TAG = /<[a-z][^\s>]*(?:\s+[^\s=>"]+(?:="[^"]*")?)*\s*\/?>/gi;
const ADDRESS = /\s(?:href|src|poster|data|action|background|xlink:href)="([^"]*)"/g;
const SET = /\s(?:srcset|imagesrcset)="([^"]*)"/g;
const STYLE = /\sstyle="([^"]*)"|<style[^>]*>([^<]*)<\/style>/g;

/** Every address that a page leads to or shows: of links, scripts and media, each of a set, and those in styles. */
export function addressesOf(html: string): string[] {
  const tags = (html.match(TAG) ?? []).join('\n');
  const styles = [...html.matchAll(STYLE)].map(([, inTag = '', ofPage = '']) => inTag + ofPage);
  return [
    ...[...tags.matchAll(ADDRESS)].map(([, address = '']) => address),
    ...[...tags.matchAll(SET)].flatMap(([, set = '']) =>
      set.split(',').map((one) => one.trim().split(/\s/)[0] ?? ''),
    ),
    ...addressesOfStyle(styles.join('\n')),
  ].map((address) => address.replaceAll('&amp;', '&'));
}

/** Every address in a style sheet. */
export function addressesOfStyle(style: string): string[] {
  return [
    ...style.matchAll(/url\(\s*(?:"([^"]*)"|'([^']*)'|&quot;(.*?)&quot;|([^)"']*))\s*\)/g),
    ...style.matchAll(/@import\s+["']([^"']*)["']/g),
  ].map((found) => found.slice(1).join(''));
}

/** Files of the built site that the application consists of, by their paths; sources and the playground stay as is. */
export function builtFiles(...endings: readonly string[]): string[] {
  return readdirSync(DIST, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => endings.includes(extname(path)) && !/^(?:source|playground)\//.test(path));
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
    response.writeHead(200, {
      'content-type': KINDS[extname(found)] ?? 'application/octet-stream',
      // Their names change with what is in them.
      'cache-control': path.startsWith(`${FOLDER}assets/`) ? 'max-age=3600' : 'no-cache',
    });
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
