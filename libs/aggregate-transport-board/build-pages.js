// Bundles the front end into the compiled `http/page-files.js` of the formats that are built: run it after
// tsc. The files have their hashes in their names, so a browser keeps them until they change.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const TYPES = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' };
const HASH_LENGTH = 10;

async function bundled(entry) {
  const { outputFiles } = await build({
    entryPoints: [`${here}pages/${entry}`],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: ['es2022'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    banner: entry.endsWith('.tsx')
      ? { js: '// Contains Preact (MIT); see LICENSE-preact in the package.' }
      : {},
    logLevel: 'warning',
  });
  return outputFiles[0].text;
}

async function pageFiles() {
  const texts = {
    js: await bundled('main.tsx'),
    css: await bundled('board.css'),
    svg: readFileSync(`${here}pages/icon.svg`, 'utf8'),
  };
  return Object.entries(texts).map(([ending, text]) => {
    const hash = createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH);
    return { name: `board.${hash}.${ending}`, type: TYPES[ending], text };
  });
}

const files = JSON.stringify(await pageFiles(), undefined, 1);
for (const [format, statement] of [
  ['esm', `export const PAGE_FILES = ${files};\n`],
  [
    'cjs',
    `"use strict";\nObject.defineProperty(exports, "__esModule", { value: true });\nexports.PAGE_FILES = ${files};\n`,
  ],
]) {
  const path = `${here}dist/${format}/http/page-files.js`;
  // What is the same is left alone: a board that starts meanwhile must not read half of it.
  if (existsSync(path) && readFileSync(path, 'utf8') !== statement) writeFileSync(path, statement);
}
