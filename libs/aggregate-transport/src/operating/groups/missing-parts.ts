import type { KnownGroup, MissingParts } from '../../records/group-on-server.js';

/** What is missing and what an operator does about it, one text each. Pure. */
export function describeMissing(
  { topic, group, hasRecord }: KnownGroup,
  { stream, positions, leases, names }: MissingParts,
): string[] {
  const found: string[] = [];
  const restore = 'restore it with the topic (docs/operations/backup.md)';
  const reset = `stop the group's processes and run: aggregate-transport group reset ${topic} ${group} --to start`;
  if (stream) found.push(`stream "${topic}" is missing, so its lag is unknown; ${restore}`);
  if (positions) {
    const what = `stream "${names.positions}" is missing, so nothing tells where the group stood`;
    found.push(`${what}; ${restore}, or ${reset}`);
  } else if (!hasRecord) {
    const what = `the group's record in "${names.positions}" is missing`;
    found.push(`${what}; ${restore}, or ${reset}`);
  }
  if (leases) {
    found.push(
      `bucket "${names.leases}" is missing, so no owner is known; restart one replica: with stream.provision "ensure" ` +
        'it makes the bucket',
    );
  }
  return found;
}
