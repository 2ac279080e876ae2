// Writes the SQL files into src/schema/sql-files.ts, so that they are there in every bundle and module format.
// Run it after a change of a file in sql/; a test compares both.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const folder = new URL('sql/', import.meta.url);
const escaped = (text) => text.replaceAll('\\', '\\\\').replaceAll('`', '\\`').replaceAll('${', '\\${');

function embedded() {
  const files = readdirSync(folder).sort();
  const entries = files.map(
    (name) => `  '${name}': \`${escaped(readFileSync(new URL(name, folder), 'utf8'))}\`,\n`,
  );
  return (
    '// Made by embed-sql.js from the files in sql/: change those, and run it.\n' +
    `export const SQL_FILES = {\n${entries.join('')}} as const;\n`
  );
}

const target = new URL('src/schema/sql-files.ts', import.meta.url);
if (
  process.argv[1] !== undefined &&
  import.meta.url.endsWith(process.argv[1].replaceAll('\\', '/').split('/').at(-1))
)
  writeFileSync(target, embedded());
