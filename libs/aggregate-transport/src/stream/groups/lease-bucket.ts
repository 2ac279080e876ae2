import type { JetStreamApi } from '../api/jetstream-api.js';
import { keyPrefixOf, LEASE_BUCKET, streamOfBucket } from '../keys/key-places.js';
import { ensureStream, type Provision } from '../api/provision.js';
import {
  KEEPS_EVERYTHING,
  requireSettings,
  settingIs,
  settingIsUnset,
  type SettingRule,
  STORES_AS_PUBLISHED,
  subjectsAre,
} from '../api/stream-settings.js';

export interface LeaseBucketRequest {
  readonly provision: Provision;
  readonly replicas: number;
}

/** What leases and presence depend on. */
export const LEASE_RULES: readonly SettingRule[] = [
  ...STORES_AS_PUBLISHED,
  ...KEEPS_EVERYTHING,
  settingIs('storage', 'file', 'fencing tokens would begin again after a restart of the server'),
  settingIs('max_msgs_per_subject', 1, 'an older lease would come back when the latest is removed'),
  settingIsUnset('deny_purge', 'records of replicas that ended could never be removed'),
  settingIs('allow_rollup_hdrs', true, 'an operator could not purge a key'),
  subjectsAre([`${keyPrefixOf(LEASE_BUCKET)}>`]),
];

/**
 * Makes sure that the bucket of leases exists, with a history of one and without a time to live. A time to live goes
 * by the server's wall clock, a lease does not.
 * @throws STREAM_MISSING, STREAM_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function provisionLeaseBucket(
  api: JetStreamApi,
  { provision, replicas }: LeaseBucketRequest,
): Promise<void> {
  if (provision === 'off') return;
  const wanted = {
    name: streamOfBucket(LEASE_BUCKET),
    subjects: [`${keyPrefixOf(LEASE_BUCKET)}>`],
    retention: 'limits',
    storage: 'file',
    num_replicas: replicas,
    max_msgs_per_subject: 1,
    max_age: 0,
    discard: 'new',
    allow_direct: false,
    // For operators: `nats kv purge` writes a header that needs it.
    allow_rollup_hdrs: true,
    deny_delete: false,
    deny_purge: false,
  };
  const { config } = await ensureStream(api, provision, wanted, 'for leases');
  requireSettings(config, LEASE_RULES);
}
