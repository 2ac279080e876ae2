import type { StreamConfig, StreamInfo } from '../api/api-types.js';
import { JetStreamApiError, type JetStreamApi } from '../api/jetstream-api.js';
import { AggregateTransportError } from '../../errors.js';
import { findStream, rulesOfAnyTopic } from '../api/provision.js';
import { requireSettings } from '../api/stream-settings.js';
import { isServerAtLeast, type ServerVersion } from '../connection/server-version.js';
import {
  LEASE_BUCKET,
  MARKER_BUCKET,
  parkedStreamOf,
  positionsStreamOf,
  streamOfBucket,
} from '../keys/key-places.js';

/** The first server with message schedules (ADR-51). */
const SCHEDULES_SINCE: ServerVersion = [2, 12, 0];

/** True if streams of a server of this version can take message schedules. Pure. */
export function hasSchedules(serverVersion: string): boolean {
  return isServerAtLeast(serverVersion, SCHEDULES_SINCE);
}

/**
 * The stream of a topic, as it is.
 * @throws STREAM_MISSING, STREAM_MISMATCH if it is none of a topic, JETSTREAM_REQUEST_FAILED
 */
export async function readTopicStream(api: JetStreamApi, topic: string): Promise<StreamInfo> {
  const found = await findStream(api, topic);
  if (found === undefined)
    throw new AggregateTransportError(
      'STREAM_MISSING',
      `expected a stream "${topic}" for the topic, found none`,
    );
  requireSettings(found.config, rulesOfAnyTopic(topic));
  return found;
}

/**
 * Changes settings of a topic's stream; all others stay, those that this release does not know too. Replicas of the
 * streams beside it follow: raised before the topic's, so that a position is never kept less safely than its events.
 * Safe to run again after it rejected.
 * @throws EDIT_REFUSED with what the server says, JETSTREAM_REQUEST_FAILED
 */
export async function changeTopicStream(
  api: JetStreamApi,
  topic: string,
  change: Partial<StreamConfig>,
): Promise<StreamConfig> {
  const { config } = await readTopicStream(api, topic);
  const { num_replicas } = change;
  const isRaised = num_replicas !== undefined && num_replicas > config.num_replicas;
  if (isRaised) await changeReplicas(api, topic, num_replicas);
  await update(api, { ...config, ...change });
  if (num_replicas !== undefined && !isRaised) await changeReplicas(api, topic, num_replicas);
  return (await readTopicStream(api, topic)).config;
}

/** Buckets are shared by all topics: their replicas are only raised. */
async function changeReplicas(api: JetStreamApi, topic: string, num_replicas: number): Promise<void> {
  const own = [positionsStreamOf(topic), parkedStreamOf(topic)];
  const shared = [LEASE_BUCKET, MARKER_BUCKET].map(streamOfBucket);
  for (const name of [...own, ...shared]) {
    const found = await findStream(api, name);
    const isShared = shared.includes(name);
    if (found === undefined || (isShared && found.config.num_replicas >= num_replicas)) continue;
    if (found.config.num_replicas !== num_replicas) await update(api, { ...found.config, num_replicas });
  }
}

async function update(api: JetStreamApi, config: StreamConfig): Promise<void> {
  try {
    await api.request(`STREAM.UPDATE.${config.name}`, config);
  } catch (error) {
    if (!(error instanceof JetStreamApiError)) throw error;
    throw new AggregateTransportError(
      'EDIT_REFUSED',
      `expected the server to change stream "${config.name}", found error ${error.errorCode}: ${error.description}`,
      { cause: error },
    );
  }
}
