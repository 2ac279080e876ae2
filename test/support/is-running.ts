import { existsSync, readFileSync } from 'node:fs';

/** One that has ended may stay in the list until its parent asks for it. */
export function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/stat`;
  return existsSync(file) && !/\) Z /.test(readFileSync(file, 'utf8'));
}
