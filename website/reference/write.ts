// Writes the pages of docs/reference that are made from the sources: `npm run reference`.
import { writeFileSync } from 'node:fs';
import { PAGES } from './pages.js';

for (const [path, page] of Object.entries(PAGES)) {
  writeFileSync(path, await page());
  console.log(path);
}
