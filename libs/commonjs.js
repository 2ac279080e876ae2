// Finishes dist/cjs of the library named on the command line. Tells Node that it is CommonJS. Spells out the one import
// of the package's import map, which a package.json of its own puts out of reach.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL(`${process.argv[2]}/dist/cjs/`, import.meta.url));
writeFileSync(join(root, 'package.json'), '{"type":"commonjs"}\n');
for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.js')) continue;
  const source = readFileSync(join(root, file), 'utf8');
  const target = posix.relative(dirname(file).split(sep).join('/'), 'sabotage.js');
  const path = target.startsWith('.') ? target : `./${target}`;
  const finished = source.replaceAll('require("#sabotage")', `require("${path}")`);
  if (finished !== source) writeFileSync(join(root, file), finished);
}
