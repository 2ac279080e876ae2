import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonLines } from './json-lines.js';

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

/** These have forms of their own. */
const OWN_FORMS = ['asyncapi', 'parked export'];

/**
 * Runs the built `aggregate-transport` in a process of its own, without an answer to what it asks. What it prints with
 * `--json` has the shapes that are published.
 */
export function runCommand({
  args,
  env = {},
  execArgv = [],
}: CommandOptions): Promise<{ code: number; output: string; errors: string }> {
  const command = [...execArgv, COMMAND_FILE, ...args];
  const isChecked = args.includes('--json') && !OWN_FORMS.some((form) => args.join(' ').startsWith(form));
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      command,
      { env: { ...process.env, ...env } },
      (_error, output, errors) => {
        try {
          if (isChecked) readJsonLines(output);
          resolve({ code: child.exitCode ?? -1, output, errors });
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      },
    );
    child.stdin?.end();
  });
}
