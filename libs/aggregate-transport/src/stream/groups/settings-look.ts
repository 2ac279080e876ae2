import type { SettingDifference } from '../../records/setting-difference.js';
import type { StreamConfig } from '../api/api-types.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import { findStream, type StreamRequest, topicRules } from '../api/provision.js';
import { differencesOf, settingIsAtLeast, type SettingRule } from '../api/stream-settings.js';
import {
  LEASE_BUCKET,
  MARKER_BUCKET,
  parkedStreamOf,
  positionsStreamOf,
  streamOfBucket,
} from '../keys/key-places.js';
import { LEASE_RULES } from './lease-bucket.js';
import { letterRules, MARKER_RULES } from './parked-streams.js';
import { positionRules } from './positions-stream.js';

export interface SettingsLookOptions {
  readonly api: JetStreamApi;
  readonly request: StreamRequest;
  /** The duplicate window when the topic was opened, in nanoseconds: outcomes are judged by it. */
  readonly duplicateWindow: number;
}

const TIMEOUT_MS = 2_000;

/**
 * Compares the streams of a topic with what the promises need, as a start-up does, while the topic is in use. A look
 * costs one request for each stream: one without groups, five with any number of groups.
 *
 * Room is not compared: an operator may enlarge a stream that is full.
 */
export class SettingsLook {
  readonly #topicRules: readonly SettingRule[];

  constructor(private readonly options: SettingsLookOptions) {
    const { request, duplicateWindow } = options;
    const explicit = new Set(request.explicit);
    for (const room of ['maxBytes', 'maxMessages', 'duplicateWindowMs'] as const) explicit.delete(room);
    this.#topicRules = [
      ...topicRules({ ...request, explicit }),
      settingIsAtLeast(
        'duplicate_window',
        duplicateWindow,
        'a repeated publish would be stored twice: publishers still count on the window they found',
      ),
    ];
  }

  /** @throws JETSTREAM_REQUEST_FAILED */
  async read(hasGroups: boolean): Promise<readonly SettingDifference[]> {
    const { api, request } = this.options;
    const { topic } = request;
    const found = await findStream(api, topic, TIMEOUT_MS);
    if (found === undefined) return [missing(topic)];
    const own = differencesOf(found.config, this.#topicRules);
    if (!hasGroups) return own;
    const others = await Promise.all(
      [...rulesOfGroups(topic, found.config)].map(([stream, rules]) => this.#differences(stream, rules)),
    );
    return [...own, ...others.flat()];
  }

  async #differences(stream: string, rules: readonly SettingRule[]): Promise<readonly SettingDifference[]> {
    const found = await findStream(this.options.api, stream, TIMEOUT_MS);
    return found === undefined ? [missing(stream)] : differencesOf(found.config, rules);
  }
}

/** The streams that groups need besides their topic's, each with its rules. */
function rulesOfGroups(topic: string, stream: StreamConfig): ReadonlyMap<string, readonly SettingRule[]> {
  return new Map([
    [positionsStreamOf(topic), positionRules(topic, stream)],
    [parkedStreamOf(topic), letterRules(topic, stream)],
    [streamOfBucket(LEASE_BUCKET), LEASE_RULES],
    [streamOfBucket(MARKER_BUCKET), MARKER_RULES],
  ]);
}

function missing(stream: string): SettingDifference {
  return {
    stream,
    setting: 'stream',
    expected: 'to exist',
    found: 'none',
    ...remedyOf(stream),
  };
}

function remedyOf(stream: string): Pick<SettingDifference, 'remedy' | 'todo'> {
  if (stream === streamOfBucket(LEASE_BUCKET)) {
    // It holds nothing that outlives its owners: the next epochs are above those in the positions.
    const todo =
      'restart one replica with stream.provision "ensure": it makes the bucket, and all replicas take leases';
    return { remedy: 'it was deleted, so no lease can be taken or renewed', todo };
  }
  return { remedy: 'it was deleted', todo: 'restore it (docs/operations/backup.md)' };
}
