export type ServerVersion = readonly [major: number, minor: number, patch: number];

/** The oldest server whose consumers, metadata and subject filters we rely on. */
export const OLDEST_SERVER: ServerVersion = [2, 10, 0];

/** The first server whose atomic batches know dedup ids (ADR-50, revision 6). */
export const ATOMIC_BATCHES_SINCE: ServerVersion = [2, 12, 1];

/** True if a server that calls itself `found`, such as `2.12.0-beta.1`, is `oldest` or newer. Pure. */
export function isServerAtLeast(found: string, oldest: ServerVersion): boolean {
  const parts = found.split('.').map((part) => Number.parseInt(part, 10) || 0);
  for (const [index, least] of oldest.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}
