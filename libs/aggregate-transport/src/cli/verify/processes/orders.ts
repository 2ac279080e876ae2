import type { ProcessSetup, PublisherOrder } from '../../../verifying/process-lines.js';

/** What the parent says, from the first moment on. */
export interface Orders {
  readonly setup: Promise<ProcessSetup>;
  /** Resolves when the load begins. */
  readonly begun: Promise<void>;
}

/**
 * Listens to the parent. Call at once: what is said before a listener is there is lost. When the parent is gone it ends
 * the others that it was told of: a frozen one cannot hear that. Then it ends this process.
 */
export function followOrders(): Orders {
  let pids: readonly number[] = [];
  process.once('disconnect', () => {
    for (const pid of pids) if (pid !== process.pid) end(pid);
    process.exit(1);
  });
  let noteSetup: (setup: ProcessSetup) => void;
  let begin: () => void;
  const setup = new Promise<ProcessSetup>((resolve) => (noteSetup = resolve));
  const begun = new Promise<void>((resolve) => (begin = resolve));
  process.on('message', (message: ProcessSetup | PublisherOrder) => {
    if ('role' in message) noteSetup(message);
    else if (message.kind === 'processes') ({ pids } = message);
    else begin();
  });
  return { setup, begun };
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
