import { writeFile } from 'node:fs/promises';
import { asyncApiDocument } from '../../documents/asyncapi-document.js';
import { defineCommand } from '../command/command.js';
import { type Terminal, UsageError } from '../command/terminal.js';
import { loadModuleFile } from './module-file.js';
import { jsonLine } from '../command/json-line.js';

/** How long what a module file has left open, such as a pool of connections, may keep the command from ending. */
const LEFT_OPEN_MS = 1_000;
const INDENT = 2;

interface AsyncApiArguments {
  readonly module: string;
  readonly wanted: string | undefined;
  readonly group: string | undefined;
  readonly out: string | undefined;
  readonly json: boolean;
}

export const asyncApiCommand = defineCommand({
  name: 'asyncapi',
  flags: { module: 'string', export: 'string', group: 'string', out: 'string' },
  words: 0,
  help: [
    ['--module dist/app.module.js', 'an AsyncAPI document of topics, types, schemas and handlers'],
    ['[--out FILE]', 'into a file'],
    ['[--export NAME]', 'which of several modules in that file'],
    ['[--group GROUP]', 'the group, where forRootAsync decides it'],
  ],
  prepare({ flags }, { terminal }) {
    const { module, export: wanted, group, out } = flags;
    if (module === undefined)
      throw new UsageError('expected --module FILE, such as --module dist/app.module.js, found none');
    return async () => {
      try {
        return await writeDocument({ module, wanted, group, out, json: flags.json === true }, terminal);
      } finally {
        setTimeout(() => process.exit(), LEFT_OPEN_MS).unref();
      }
    };
  },
});

async function writeDocument(
  { module: file, wanted, group, out, json }: AsyncApiArguments,
  terminal: Terminal,
): Promise<number> {
  const { module, manifest, loadPackage } = await loadModuleFile(file, wanted);
  // Nest is loaded here, after the application's file, and by no other command.
  const { scanApplication } = await import('../../nest/documents/application-scan.js');
  const facts = await scanApplication(module, { group });
  const title = { title: manifest.name ?? module.name, version: manifest.version ?? '0.0.0' };
  const document = await asyncApiDocument(facts, title, loadPackage);
  if (out !== undefined) await writeFile(out, `${JSON.stringify(document, undefined, INDENT)}\n`);
  const counts = {
    channels: Object.keys(document.channels).length,
    operations: Object.keys(document.operations).length,
  };
  if (out === undefined) terminal.print(JSON.stringify(document, undefined, json ? 0 : INDENT));
  else if (json) terminal.print(jsonLine('asyncapi', { out, ...counts }));
  else terminal.print(`wrote ${out}: ${counts.channels} channels, ${counts.operations} operations`);
  return 0;
}
