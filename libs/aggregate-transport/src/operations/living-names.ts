import type { Clock } from '../clock.js';
import { inParallel, REQUESTS_AT_ONCE } from '../in-parallel.js';
import type { PresencePort, StoredMember } from '../records/member-record.js';

/** The server's clock and this host's may differ by this much, and a renewal may be on its way. */
const LATE_MS = 1_000;

/**
 * The replicas of a group whose sessions are renewed; undefined if the server does not tell. One that died counts until
 * its ttl is over. Never rejects.
 */
export async function livingNames(
  sessions: Pick<PresencePort, 'list' | 'read'>,
  clock: Clock,
): Promise<readonly string[] | undefined> {
  try {
    const members = await sessions.list();
    const found = await inParallel(members, REQUESTS_AT_ONCE, async (member) => ({
      member,
      stored: await sessions.read(member),
    }));
    const now = clock.wallNow();
    return found.filter(({ stored }) => isLiving(stored, now)).map(({ member }) => member);
  } catch {
    // Who is silent is unknown then, and the answer says so.
    return undefined;
  }
}

/** Pure. */
export function isLiving({ value, writtenAt }: StoredMember, now: number): boolean {
  if (value === undefined || value.ended === true || value.released === true) return false;
  return writtenAt === undefined || now - writtenAt <= value.ttlMs + LATE_MS;
}
