import { readFileSync, writeFileSync } from 'node:fs';
import { LOGS_PAGE, logTables, tableText } from './logs-page.js';

// Writes the tables of docs/logs.md from the definitions of events; then run prettier on it.
const [head] = readFileSync(LOGS_PAGE, 'utf8').split('\n## The process');
const tables = [...logTables()].map(([title, rows]) => `## ${title}\n\n${tableText(rows)}\n`);
writeFileSync(LOGS_PAGE, `${head!.trimEnd()}\n\n${tables.join('\n')}`);
