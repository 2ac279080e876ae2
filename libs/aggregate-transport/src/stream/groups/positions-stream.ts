import type { StreamConfig, WantedStream } from '../api/api-types.js';
import { LAYOUT_KEY } from '../api/configuration.js';
import { keyPrefixOf, positionsStreamOf } from '../keys/key-places.js';
import { layoutRule } from '../api/provision.js';
import {
  KEEPS_EVERYTHING,
  requireSettings,
  settingIs,
  type SettingRule,
  STORES_AS_PUBLISHED,
  subjectsAre,
} from '../api/stream-settings.js';

export interface PositionsOptions {
  /** Room for the positions of all groups of a topic, in bytes; -1: no limit. */
  readonly maxBytes: number;
}

/** What the topic's own stream decides for the stream of its positions. */
export type TopicStorage = Pick<StreamConfig, 'storage' | 'num_replicas'>;

const POSITIONS_LAYOUT = 'positions-1';

/**
 * The stream that keeps the positions and group records of a topic: kept as safely as the topic, one message per key.
 * It is backed up and restored together with the topic.
 */
export function positionsConfigOf(
  topic: string,
  { maxBytes }: PositionsOptions,
  { storage, num_replicas }: TopicStorage,
): WantedStream {
  const name = positionsStreamOf(topic);
  return {
    name,
    subjects: [`${keyPrefixOf(name)}>`],
    retention: 'limits',
    storage,
    num_replicas,
    max_msgs_per_subject: 1,
    max_msgs: -1,
    max_bytes: maxBytes,
    max_age: 0,
    discard: 'new',
    allow_direct: false,
    deny_delete: false,
    deny_purge: false,
    metadata: { [LAYOUT_KEY]: POSITIONS_LAYOUT },
  };
}

/** What the positions of a topic depend on. */
export function positionRules(
  topic: string,
  { storage, num_replicas }: TopicStorage,
): readonly SettingRule[] {
  return [
    layoutRule(POSITIONS_LAYOUT, 'use another topic name'),
    ...STORES_AS_PUBLISHED,
    ...KEEPS_EVERYTHING,
    settingIs('max_msgs_per_subject', 1, 'the stream would keep positions that are no longer true'),
    settingIs('storage', storage, 'positions must be kept as long as the events of the topic'),
    settingIs('num_replicas', num_replicas, 'positions must be kept as safely as the events of the topic'),
    subjectsAre([`${keyPrefixOf(positionsStreamOf(topic))}>`]),
  ];
}

/**
 * Compares a stream of positions with what it must be beside its topic.
 * @throws STREAM_MISMATCH
 */
export function checkPositionsStream(topic: string, found: StreamConfig, storage: TopicStorage): void {
  requireSettings(found, positionRules(topic, storage));
}
