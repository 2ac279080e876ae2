import type { StreamConfig } from '../api/api-types.js';
import { hasAtomicBatches } from '../wires/atomic-batches.js';
import { hasBatchedGet } from '../api/batched-get.js';
import { LAYOUT_KEY } from '../api/configuration.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import {
  keyPrefixOf,
  letterSubjects,
  MARKER_BUCKET,
  parkedStreamOf,
  streamOfBucket,
} from '../keys/key-places.js';
import { ensureStream, layoutRule, type Provision } from '../api/provision.js';
import {
  KEEPS_EVERYTHING,
  requireSettings,
  settingIs,
  settingIsAtLeast,
  settingIsUnlimited,
  settingIsUnset,
  type SettingRule,
  STORES_AS_PUBLISHED,
  subjectsAre,
} from '../api/stream-settings.js';

export interface ParkedOptions {
  /** Room for letters, in bytes. */
  readonly maxBytes: number;
  /** Room for letters, in number. */
  readonly maxLetters: number;
}

export interface ParkedStreamsRequest {
  readonly topic: string;
  readonly provision: Provision;
  readonly options: ParkedOptions;
  readonly serverVersion: string;
  /** The configuration of the topic's stream, as the server has it. */
  readonly stream: Pick<StreamConfig, 'storage' | 'num_replicas'>;
}

const PARKED_LAYOUT = 'parked-1';
const EVERY_GROUP = '*';

/** Letters and markers are removed one by one, which is what unparking is. */
const REMOVABLE_RULES: readonly SettingRule[] = [
  ...STORES_AS_PUBLISHED,
  ...KEEPS_EVERYTHING,
  settingIsUnset('deny_delete', 'an aggregate could never be unparked'),
];

/** What the markers of parked aggregates depend on. */
export const MARKER_RULES: readonly SettingRule[] = [
  ...REMOVABLE_RULES,
  settingIs(
    'max_msgs_per_subject',
    1,
    'an older version of a marker would come back when the latest is removed',
  ),
  settingIs('storage', 'file', 'a restart of the server would forget which aggregates are parked'),
  settingIs('allow_rollup_hdrs', true, 'an operator could not purge a key'),
  subjectsAre([`${keyPrefixOf(MARKER_BUCKET)}>`]),
];

/** What the letters of a topic depend on. */
export function letterRules(
  topic: string,
  stream: Pick<StreamConfig, 'storage' | 'num_replicas'>,
): readonly SettingRule[] {
  return [
    layoutRule(PARKED_LAYOUT, 'use another topic name'),
    ...REMOVABLE_RULES,
    settingIsUnlimited(
      'max_msgs_per_subject',
      'the stream would remove letters of an aggregate that has many',
    ),
    settingIs('storage', stream.storage, 'parked events must be kept as long as the events of the topic'),
    settingIsAtLeast(
      'num_replicas',
      stream.num_replicas,
      'parked events must be kept as safely as the topic',
    ),
    subjectsAre(parkedSubjects(topic)),
  ];
}

function parkedSubjects(topic: string): string[] {
  return [letterSubjects(topic, EVERY_GROUP), `${parkedStreamOf(topic)}.${EVERY_GROUP}.skipped.*`];
}

/**
 * Makes sure that a topic's parked stream and the bucket of markers exist. Both let single messages be removed. Markers
 * are read from their leader only. Letters can be read in batches, where the server knows how.
 * @throws STREAM_MISSING, STREAM_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function provisionParkedStreams(
  api: JetStreamApi,
  { topic, provision, options, stream, serverVersion }: ParkedStreamsRequest,
): Promise<void> {
  if (provision === 'off') return;
  const common = {
    num_replicas: stream.num_replicas,
    retention: 'limits',
    discard: 'new',
    max_age: 0,
    allow_direct: false,
    deny_delete: false,
  };
  const markers = {
    ...common,
    name: streamOfBucket(MARKER_BUCKET),
    subjects: [`${keyPrefixOf(MARKER_BUCKET)}>`],
    max_msgs_per_subject: 1,
    storage: 'file',
    // For operators: `nats kv purge` writes a header that needs it.
    allow_rollup_hdrs: true,
  };
  const bucket = await ensureStream(api, provision, markers, 'for parked aggregates');
  requireSettings(bucket.config, MARKER_RULES);
  const name = parkedStreamOf(topic);
  const letters = {
    ...common,
    name,
    subjects: parkedSubjects(topic),
    storage: stream.storage,
    max_bytes: options.maxBytes,
    max_msgs: options.maxLetters,
    allow_direct: hasBatchedGet(serverVersion),
    // Only a stream that is made here gets the option: a stream that exists is never changed.
    ...(hasAtomicBatches(serverVersion) ? { allow_atomic: true } : {}),
    metadata: { [LAYOUT_KEY]: PARKED_LAYOUT },
  };
  const { config: found } = await ensureStream(api, provision, letters, 'for parked events');
  requireSettings(found, letterRules(topic, stream));
}
