import { execFile } from 'node:child_process';

/** The user a command runs as; that of this process if there is none. */
export interface RunAs {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

export interface CommandLimits extends RunAs {
  readonly cwd?: string;
  /** In milliseconds from now. */
  readonly withinMs: number;
}

/**
 * Runs a command to its end, in English and with a bound, and resolves with its standard output.
 *
 * @throws Error with the last lines of its standard error if it cannot be run, fails or takes too long.
 */
export function runCommand(file: string, args: readonly string[], limits: CommandLimits): Promise<string> {
  const { cwd, withinMs, uid, gid } = limits;
  const options = {
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid, gid }),
    timeout: withinMs,
    killSignal: 'SIGKILL',
    maxBuffer: 16 * 1_024 * 1_024,
    env: { ...process.env, LC_ALL: 'C' },
  } as const;
  return new Promise((resolve, reject) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      if (error === null) {
        resolve(stdout);
        return;
      }
      const lastWords = stderr.trim().split('\n').slice(-4).join(' | ');
      const why = error.killed === true ? `no end within ${withinMs} ms` : lastWords;
      reject(new Error(`${file} failed: ${why === '' ? error.message : why}`));
    });
  });
}

/** The message of an error with those of its causes. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`;
}
