import { readFile } from 'node:fs/promises';
import { describeError } from '../../errors.js';
import { defineCommand } from '../command/command.js';
import { UsageError } from '../command/terminal.js';
import { exportLetters } from './export.js';
import { importLetters } from './import.js';
import { placeOf } from './parked-place.js';

export const exportCommand = defineCommand({
  name: 'parked export',
  flags: { topic: 'string', group: 'string', file: 'string' },
  words: 1,
  help: [
    ['TOPIC/GROUP[/AGGREGATE]', 'all letters as JSON lines, in order; changes nothing'],
    ['[--file F]', 'into a file that only this user can read, instead of the output'],
  ],
  prepare({ flags, words: [word] }, surroundings) {
    const place = placeOf(word, flags);
    return () =>
      surroundings.connected((connection) =>
        exportLetters({ ...place, file: flags.file, json: flags.json === true }, connection, surroundings),
      );
  },
});

export const importCommand = defineCommand({
  name: 'parked import',
  flags: { topic: 'string', group: 'string', 'dry-run': 'boolean', yes: 'boolean' },
  words: 1,
  help: [
    ['FILE', 'back into the parked stream of another or restored server, while no replica runs'],
    ['[--topic T] [--group G]', 'only what was exported from these'],
    ['[--dry-run]', 'only tell what would be imported, and what refused'],
  ],
  prepare({ flags, words: [file] }, surroundings) {
    if (file === undefined) throw new UsageError('expected a file that parked export has written');
    const args = {
      ...{ topic: flags.topic, group: flags.group, json: flags.json === true },
      ...{ dryRun: flags['dry-run'] === true, yes: flags.yes === true },
    };
    return async () => {
      const text = await textOf(file);
      return surroundings.connected((connection) =>
        importLetters({ ...args, text }, connection, surroundings),
      );
    };
  },
});

/** @throws UsageError */
async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`expected a file that can be read, found ${describeError(error)}`);
  }
}
