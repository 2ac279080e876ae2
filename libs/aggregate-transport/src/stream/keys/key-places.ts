import { streamSubjectOf } from '../../message/subject.js';
import type { PartitionAddress } from '../../records/partition-address.js';

/** Where a key is kept: a key-value key is the last message of a subject. */
export interface KeyPlace {
  readonly stream: string;
  readonly subject: string;
  /** How an operator repairs a value that cannot be read. */
  readonly remedy: string;
  /** For sabotage only: the rule without which the key is written without a compare. */
  readonly comparedBy?: 'no-compare';
}

/** The key-value bucket of leases and presence, shared by all topics. */
export const LEASE_BUCKET = 'aggregate-transport';
/** The key-value bucket of the markers of parked aggregates, shared by all topics. */
export const MARKER_BUCKET = 'aggregate-transport-parked';

/** The stream behind a key-value bucket. */
export function streamOfBucket(bucket: string): string {
  return `KV_${bucket}`;
}

/** The stream of a topic's positions and group records. No topic may have that name. */
export function positionsStreamOf(topic: string): string {
  return `${topic}_positions`;
}

/** The stream of a topic's parked events. No topic may have that name. */
export function parkedStreamOf(topic: string): string {
  return `${topic}_parked`;
}

/** What the subjects of all keys of a bucket begin with. */
export function keyPrefixOf(bucket: string): string {
  return `$KV.${bucket}.`;
}

/** All lease keys of a group, of every layout. */
export function leaseFilter(topic: string, group: string): string {
  return `${keyPrefixOf(LEASE_BUCKET)}lease.${topic}.${group}.>`;
}

/** All markers of a group. */
export function markerFilter(topic: string, group: string): string {
  return `${keyPrefixOf(MARKER_BUCKET)}${topic}.${group}.>`;
}

/** All positions of a group, of every layout. */
export function positionFilter(topic: string, group: string): string {
  return `${keyPrefixOf(positionsStreamOf(topic))}${group}.*.*.*`;
}

/** What the subjects of all group records of a topic begin with; the group's name follows. */
export function groupPrefix(topic: string): string {
  return `${keyPrefixOf(positionsStreamOf(topic))}group.`;
}

/** What the subjects of a group's replicas begin with; the replica's name follows. */
export function memberPrefix(topic: string, group: string): string {
  return `${keyPrefixOf(LEASE_BUCKET)}member.${topic}.${group}.`;
}

export function leasePlace(address: PartitionAddress): KeyPlace {
  const { topic, group, layout, partitions, partition } = address;
  const key = `lease.${topic}.${group}.${layout}.${partitions}.${partition}`;
  return {
    stream: streamOfBucket(LEASE_BUCKET),
    subject: keyPrefixOf(LEASE_BUCKET) + key,
    remedy: `delete the key (nats kv del ${LEASE_BUCKET} ${key})`,
  };
}

export function positionPlace(address: PartitionAddress): KeyPlace {
  const { topic, group, layout, partitions, partition } = address;
  const stream = positionsStreamOf(topic);
  return {
    stream,
    subject: `${keyPrefixOf(stream)}${group}.${layout}.${partitions}.${partition}`,
    remedy: restoreOf(stream),
    comparedBy: 'no-compare',
  };
}

/** What the subjects of all records of purged events of a topic begin with; the number of the record follows. */
export function purgedPrefix(topic: string): string {
  return `${keyPrefixOf(positionsStreamOf(topic))}purged.`;
}

export function purgedPlace(topic: string, part: number): KeyPlace {
  const stream = positionsStreamOf(topic);
  return { stream, subject: `${purgedPrefix(topic)}${part}`, remedy: restoreOf(stream) };
}

export function groupPlace(topic: string, group: string): KeyPlace {
  const stream = positionsStreamOf(topic);
  return { stream, subject: groupPrefix(topic) + group, remedy: restoreOf(stream) };
}

export function memberPlace(topic: string, group: string, member: string): KeyPlace {
  const subject = memberPrefix(topic, group) + member;
  const key = subject.slice(keyPrefixOf(LEASE_BUCKET).length);
  return {
    stream: streamOfBucket(LEASE_BUCKET),
    subject,
    remedy: `delete the key (nats kv del ${LEASE_BUCKET} ${key})`,
  };
}

/** The letters of a group's parked aggregates, each under its aggregate. */
export function letterSubjects(topic: string, group: string): string {
  return streamSubjectOf(`${parkedStreamOf(topic)}.${group}`);
}

/** The markers of a group, each under its aggregate. */
export function markerSubjects(topic: string, group: string): string {
  return streamSubjectOf(`${keyPrefixOf(MARKER_BUCKET)}${topic}.${group}`);
}

/** All letters of a group, skipped events among them. */
export function letterFilter(topic: string, group: string): string {
  return `${parkedStreamOf(topic)}.${group}.>`;
}

export function markerPlace(subject: string): KeyPlace {
  const key = subject.slice(keyPrefixOf(MARKER_BUCKET).length);
  return {
    stream: streamOfBucket(MARKER_BUCKET),
    subject,
    remedy: `restore the bucket from a backup, or delete the key (nats kv del ${MARKER_BUCKET} ${key})`,
  };
}

function restoreOf(stream: string): string {
  return `restore ${stream} from the backup taken with the topic`;
}

const ENCODED_MARK = '~';
/** A key-value key may hold `=` but no `~`. */
const KEY_MARK = '=';

/** The last part of an aggregate's marker key. */
export function keyOfToken(token: string): string {
  return token.startsWith(ENCODED_MARK) ? KEY_MARK + token.slice(1) : token;
}

/** The token that a marker key stands for. */
export function tokenOfKey(subject: string): string {
  const key = subject.slice(subject.lastIndexOf('.') + 1);
  return key.startsWith(KEY_MARK) ? ENCODED_MARK + key.slice(1) : key;
}
