#!/usr/bin/env node
import { createInterface } from 'node:readline/promises';
import { systemClock } from '../clock.js';
import { CodedError, describeError } from '../errors.js';
import { silentLog } from '../log.js';
import { accessOf } from './access/connection-options.js';
import { loadAddOn, packageOf } from './add-on.js';
import { ACCESS_FLAGS, flagsTo } from './command/access-flags.js';
import { jsonLine } from './command/json-line.js';
import { isUsageError, type Terminal } from './command/terminal.js';
import { readCommandLine } from './command-line.js';
import { COMMANDS } from './commands.js';
import { denialLog } from './denial-log.js';
import { connectedBy } from './server-access.js';
import { usageOf } from './usage.js';
import { PROCESS_WORD } from './verify/run-verify.js';

const terminal: Terminal = {
  print: (text) => void process.stdout.write(`${text}\n`),
  async ask(question) {
    if (!process.stdin.isTTY) return undefined;
    const prompt = createInterface({ input: process.stdin, output: process.stderr });
    const typed = await prompt.question(question);
    prompt.close();
    return typed;
  },
};

// The reader of a pipe has left, as `head` does: nothing more is wanted. A command that has to tidy up does so.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  if (!process.emit('SIGTERM')) process.exit();
});

const denials = denialLog((text) => void process.stderr.write(`${text}\n`));

async function run(): Promise<number> {
  const args = process.argv.slice(2);
  const [first, ...others] = args;
  if (first === PROCESS_WORD) {
    await (await import('./verify/processes/run-process.js')).runProcess();
    return 0;
  }
  if (packageOf(first) !== undefined && first !== undefined)
    return (await loadAddOn(first)).run(first, others, terminal, {
      accessFlags: ACCESS_FLAGS,
      accessOf,
    });
  const { command, isHelp, input } = readCommandLine(args, COMMANDS);
  if (isHelp || command === undefined) {
    terminal.print(usageOf(command === undefined ? COMMANDS : [command]));
    return 0;
  }
  const log = command.triesPermissions === true ? silentLog : denials;
  // Everything is understood before a server is asked.
  const prepared = command.prepare(input, {
    terminal,
    clock: systemClock,
    connected: (use) => connectedBy(input.flags, log, use),
    connectedTo: (server, creds, use) => connectedBy(flagsTo(input.flags, server, creds), log, use),
  });
  return prepared();
}

/** Scripts read the output alone. */
function errorLine(error: unknown): string {
  if (isUsageError(error)) return jsonLine('error', { code: 'USAGE', message: error.message });
  const code = error instanceof CodedError ? String(error.code) : 'UNEXPECTED';
  return jsonLine('error', { code, message: describeError(error) });
}

run().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const isUsage = isUsageError(error);
    if (process.argv.includes('--json')) terminal.print(errorLine(error));
    process.stderr.write(`${isUsage ? error.message : describeError(error)}\n`);
    process.exitCode = isUsage ? 2 : 1;
  },
);
