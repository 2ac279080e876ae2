interface Waiting {
  readonly callbacks: Set<() => void>;
  readonly told: () => void;
}

/** Who is told when a signal aborts. */
const waiting = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls `callback` when the signal aborts, unless the function that is returned was called before. Node 20 warns of a
 * leak from eleven listeners of one signal on, and thousands of events may share one. So a signal gets one listener,
 * and none when no callback waits.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const { callbacks, told } = waiting.get(signal) ?? listen(signal);
  // A function may be given twice.
  const entry = (): void => callback();
  callbacks.add(entry);
  return () => {
    if (!callbacks.delete(entry) || callbacks.size > 0 || waiting.get(signal)?.callbacks !== callbacks)
      return;
    waiting.delete(signal);
    signal.removeEventListener('abort', told);
  };
}

function listen(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>();
  const told = (): void => {
    waiting.delete(signal);
    for (const callback of callbacks) callback();
  };
  const found = { callbacks, told };
  waiting.set(signal, found);
  signal.addEventListener('abort', told, { once: true });
  return found;
}
