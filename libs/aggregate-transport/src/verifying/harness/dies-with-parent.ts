import type { ChildProcess } from 'node:child_process';
import { runInThisContext } from 'node:vm';

const living = new Set<ChildProcess>();
// Under Jest the global `process` is a copy that never emits 'exit'; this is the real one everywhere.
const parent = runInThisContext('process') as NodeJS.Process;

/** Kills the child at the latest when this process ends, however it does, SIGKILL excepted. */
export function diesWithParent(child: ChildProcess): void {
  if (living.size === 0) parent.on('exit', killAll);
  living.add(child);
  // A child that could not be spawned emits an error and no exit.
  child.once('error', () => forget(child));
  child.once('exit', () => forget(child));
}

function forget(child: ChildProcess): void {
  living.delete(child);
  if (living.size === 0) parent.off('exit', killAll);
}

function killAll(): void {
  for (const child of living) child.kill('SIGKILL');
}
