import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { runInThisContext } from 'node:vm';

const living = new Map<ChildProcess, ChildProcess | undefined>();
// Under Jest the global `process` is a copy that never emits 'exit'; this is the real one everywhere.
const parent = runInThisContext('process') as NodeJS.Process;

/** Its input ends with the process that holds the other end, however that ends. */
const WATCHDOG = 'read line; kill -9 "$1"';

/** Kills the child at the latest when this process ends, however it does. On Windows SIGKILL is excepted. */
export function diesWithParent(child: ChildProcess): void {
  if (living.size === 0) parent.on('exit', killAll);
  living.set(child, watchdogOf(child));
  // A child that could not be spawned emits an error and no exit.
  child.once('error', () => forget(child));
  child.once('exit', () => forget(child));
}

/** A signal that this process does not handle ends it without 'exit'. */
function watchdogOf({ pid }: ChildProcess): ChildProcess | undefined {
  if (pid === undefined || process.platform === 'win32') return undefined;
  // In a group of its own: a terminal sends its signals to the whole group of this process.
  const watchdog = spawn('sh', ['-c', WATCHDOG, 'watchdog', String(pid)], {
    ...{ stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' },
  });
  // Without a shell the child still dies with an orderly end.
  watchdog.on('error', () => undefined);
  watchdog.unref();
  const held = watchdog.stdin as Socket | null;
  held?.on('error', () => undefined);
  held?.unref();
  return watchdog;
}

function forget(child: ChildProcess): void {
  // At once: its process id may soon belong to another.
  living.get(child)?.kill('SIGKILL');
  living.delete(child);
  if (living.size === 0) parent.off('exit', killAll);
}

function killAll(): void {
  for (const child of living.keys()) child.kill('SIGKILL');
}
