// Writes the pages of docs/reference that are made from the sources: `npm run reference`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { machinePictures } from './machines-page.js';
import { PAGES } from './pages.js';

for (const [path, svg] of machinePictures()) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, svg);
}
for (const [path, page] of Object.entries(PAGES)) {
  writeFileSync(path, await page());
  console.log(path);
}
