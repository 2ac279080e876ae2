/** Requests to a server at a time, where nothing asks for another number. More make none of them faster. */
export const REQUESTS_AT_ONCE = 32;

/**
 * Does `work` for every item, for at most `atOnce` of them at a time. Resolves with the results in the order of the
 * items. The first failure rejects, and no further item begins.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const waiting = items.entries();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) {
      if (failed) return;
      results[index] = await work(item, index);
    }
  };
  const workers = Array.from({ length: Math.min(atOnce, items.length) }, () =>
    worker().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  await Promise.all(workers);
  return results;
}
