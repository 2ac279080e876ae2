import type { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { findStream } from '../../stream/api/provision.js';
import type { KnownGroup } from '../../stream/groups/known-groups.js';
import { LEASE_BUCKET, positionsStreamOf, streamOfBucket } from '../../stream/keys/key-places.js';

/** Which parts of a group the server does not have. */
export interface MissingParts {
  readonly stream: boolean;
  readonly positions: boolean;
  readonly leases: boolean;
}

/**
 * Looks for the streams of a group: three requests.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function missingPartsOf(api: JetStreamApi, topic: string): Promise<MissingParts> {
  const [stream, positions, leases] = await Promise.all(
    [topic, positionsStreamOf(topic), streamOfBucket(LEASE_BUCKET)].map(
      async (name) => (await findStream(api, name)) === undefined,
    ),
  );
  return { stream: stream === true, positions: positions === true, leases: leases === true };
}

/** What is missing and what an operator does about it, one text each. Pure. */
export function describeMissing(
  { topic, group, hasRecord }: KnownGroup,
  { stream, positions, leases }: MissingParts,
): string[] {
  const found: string[] = [];
  const restore = 'restore it with the topic (docs/operations.md, Backup and restore)';
  const reset = `stop the group's processes and run: aggregate-transport group reset ${topic} ${group} --to start`;
  if (stream) found.push(`stream "${topic}" is missing, so its lag is unknown; ${restore}`);
  if (positions) {
    const what = `stream "${positionsStreamOf(topic)}" is missing, so nothing tells where the group stood`;
    found.push(`${what}; ${restore}, or ${reset}`);
  } else if (!hasRecord) {
    const what = `the group's record in "${positionsStreamOf(topic)}" is missing`;
    found.push(`${what}; ${restore}, or ${reset}`);
  }
  if (leases) {
    found.push(
      `bucket "${LEASE_BUCKET}" is missing, so no owner is known; restart one replica: with stream.provision "ensure" ` +
        'it makes the bucket',
    );
  }
  return found;
}
