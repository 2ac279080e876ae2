import { type Finding, groupBy } from '../oracle/finding.js';
import type { GroupLook } from './leases.js';

/**
 * `even-share`, from two reads that are more than a renewal apart: every partition has an owner that renews its lease.
 * Pure.
 */
export function checkOwners(first: GroupLook, second: GroupLook): Finding[] {
  return second.leases.flatMap((lease, partition) => {
    const before = first.leases[partition];
    if (lease === undefined) return found(`partition ${partition} has no lease`);
    if (lease.released)
      return found(`partition ${partition} was let go by ${lease.owner}, and no replica took it`);
    if (lease.revision !== before?.revision) return [];
    return found(`partition ${partition} belongs to ${lease.owner}, who does not renew it`);
  });
}

/** `even-share`: only live replicas are listed, and two of them differ by one partition at most. Pure. */
export function checkShare({ leases, members }: GroupLook, replicas: number): Finding[] {
  const findings: Finding[] = [];
  if (members.length !== replicas) {
    findings.push(
      ...found(`${members.length} replicas are listed (${members.join(', ')}), and ${replicas} run`),
    );
  }
  const owned = leases.flatMap((lease) => (lease === undefined ? [] : [lease.owner]));
  // Each member is in its own group once more than it owns.
  const shares = [...groupBy([...owned, ...members], (owner) => owner)].map(
    ([owner, all]) => all.length - (members.includes(String(owner)) ? 1 : 0),
  );
  if (Math.max(...shares) - Math.min(...shares) > 1) {
    findings.push(...found(`partitions per replica are ${shares.sort((a, b) => b - a).join(', ')}`));
  }
  return findings;
}

function found(text: string): Finding[] {
  return [{ checker: 'even-share', text }];
}
