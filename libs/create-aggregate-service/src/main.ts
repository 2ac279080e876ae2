#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments, USAGE } from './command-line.js';
import { CreateError } from './create-error.js';
import { install } from './install.js';
import { chooseNames, terminalAsk } from './questions.js';
import { readFolder, writeService } from './service-folder.js';
import { serviceFiles } from './template.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The library of the same version: both are released together. */
async function ownVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(here('../package.json'), 'utf8')) as { version: string };
  return version;
}

async function main(args: readonly string[]): Promise<void> {
  const given = readArguments(args);
  if (given.wantsHelp) {
    console.log(USAGE);
    return;
  }
  const { name, topic } = await chooseNames(given, terminalAsk());
  const folder = resolve(name);
  const library = given.library ?? (await ownVersion());
  const files = serviceFiles(await readFolder(here('../template')), { name, topic, library });
  await writeService(folder, files);
  console.log(`${String(files.length)} files in ${folder}`);
  if (given.installs) await install(folder);
  const steps = [`cd ${name}`, ...(given.installs ? [] : ['npm install']), 'npm test', 'npm run start:dev'];
  console.log(
    `\nNext:\n${steps.map((step) => `  ${step}`).join('\n')}\n\nREADME.md there says what to call.`,
  );
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof CreateError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
