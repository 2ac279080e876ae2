import { spawn } from 'node:child_process';
import { CreateError } from './create-error.js';

/**
 * Runs `npm install` in the folder of the new service.
 * @throws CreateError if npm fails; the files stay, so the command can be given again by hand
 */
export function install(folder: string): Promise<void> {
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error'];
  return new Promise((resolve, reject) => {
    const child = spawn('npm', args, { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' });
    const fail = (found: string, cause?: Error): void =>
      reject(
        new CreateError(`expected npm install to end well, found ${found}; run it in ${folder}`, { cause }),
      );
    child.once('error', (cause) => fail(cause.message, cause));
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else fail(code === null ? `signal ${signal ?? ''}` : `exit code ${String(code)}`);
    });
  });
}
