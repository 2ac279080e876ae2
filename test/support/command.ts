import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBRARY = 'libs/aggregate-transport';
const { bin } = JSON.parse(readFileSync(join(LIBRARY, 'package.json'), 'utf8')) as {
  bin: Record<string, string>;
};

/** The built command line. */
export const COMMAND_FILE = join(LIBRARY, bin['aggregate-transport']!);

export interface CommandOptions {
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
  /** Options for Node itself. */
  readonly execArgv?: readonly string[];
}

/** Runs the built `aggregate-transport` in a process of its own, without an answer to what it asks. */
export function runCommand({
  args,
  env = {},
  execArgv = [],
}: CommandOptions): Promise<{ code: number; output: string; errors: string }> {
  const command = [...execArgv, COMMAND_FILE, ...args];
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      command,
      { env: { ...process.env, ...env } },
      (_error, output, errors) => resolve({ code: child.exitCode ?? -1, output, errors }),
    );
    child.stdin?.end();
  });
}
