/** Aborts `end` at the first of these signals while `run` is under way. A second one ends the process, as ever. */
export async function untilInterrupted<T>(
  run: (end: AbortController) => Promise<T>,
  signals: readonly NodeJS.Signals[] = ['SIGINT'],
): Promise<T> {
  const end = new AbortController();
  const interrupted = (): void => end.abort();
  for (const signal of signals) process.once(signal, interrupted);
  try {
    return await run(end);
  } finally {
    for (const signal of signals) process.off(signal, interrupted);
  }
}
