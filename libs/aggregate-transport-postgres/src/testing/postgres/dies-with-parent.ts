import type { ChildProcess } from 'node:child_process';
import { runInThisContext } from 'node:vm';

const living = new Set<ChildProcess>();
// Under Jest the global `process` is a copy that never emits 'exit'; this is the real one everywhere.
const parent = runInThisContext('process') as NodeJS.Process;

/**
 * Ends the server at the latest when this process ends, however it does, SIGKILL excepted. The core has one of its own
 * with another signal. A shared one would be a public name of the core's `testing`, and so a promise to users.
 */
export function diesWithParent(child: ChildProcess): void {
  if (living.size === 0) parent.on('exit', endAll);
  living.add(child);
  // A child that could not be spawned emits an error and no exit.
  child.once('error', () => forget(child));
  child.once('exit', () => forget(child));
}

function forget(child: ChildProcess): void {
  living.delete(child);
  if (living.size === 0) parent.off('exit', endAll);
}

/** SIGQUIT is PostgreSQL's immediate end: it takes its own processes along. */
function endAll(): void {
  for (const child of living) {
    child.kill('SIGCONT');
    child.kill('SIGQUIT');
  }
}
