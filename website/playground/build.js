// Builds the playground into website/playground/dist, or into the folder given: plain files that any file server can
// show. Needs `npm run build` and esbuild, both from the root of the repository.
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const HERE = dirname(fileURLToPath(import.meta.url));
const FILES = ['index.html', 'playground.css'];

/** What a browser lacks: Node's random numbers, and sockets. */
const inBrowser = {
  name: 'in-browser',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:crypto$/ }, () => ({ path: join(HERE, 'src', 'node-crypto.ts') }));
    onResolve({ filter: /\/nats-wires\.js$/ }, ({ path }) => ({ path, namespace: 'no-sockets' }));
    onLoad({ filter: /.*/, namespace: 'no-sockets' }, () => ({ contents: 'export class NatsWires {}' }));
  },
};

/** Writes index.html, playground.css and playground.js into a folder, which is made if it is missing. */
export async function buildPlayground(folder) {
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: [join(HERE, 'src', 'page.js')],
    outfile: join(folder, 'playground.js'),
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    plugins: [inBrowser],
    logLevel: 'warning',
  });
  for (const file of FILES) copyFileSync(join(HERE, file), join(folder, file));
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await buildPlayground(process.argv[2] ?? join(HERE, 'dist'));
