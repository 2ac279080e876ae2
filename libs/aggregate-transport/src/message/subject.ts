import { AggregateTransportError } from '../errors.js';
import { bitsOf, fnv1a32 } from './partitioning.js';
import { requireTopicName } from './topic.js';

const PLAIN_TOKEN = /^[A-Za-z0-9_-]{1,128}$/;
const MAX_ID_BYTES = 256;
const ENCODED_MARK = '~';

/**
 * The last subject token of an aggregate, and the key of its lane. It is the id itself if that is one plain token,
 * else `~` and its base64url: dots, spaces, wildcards and any script are safe. Two ids never share a token, because a
 * plain id cannot begin with `~`.
 *
 * @throws AGGREGATE_ID_INVALID for an id that is empty, longer than 256 UTF-8 bytes, or holds a
 *   lone surrogate. The limit guards the connection: a server closes one that sends a 4 kB subject.
 */
export function tokenOf(aggregateId: string): string {
  if (typeof aggregateId === 'string' && PLAIN_TOKEN.test(aggregateId)) return aggregateId;
  if (typeof aggregateId !== 'string' || aggregateId.length === 0) {
    throw new AggregateTransportError(
      'AGGREGATE_ID_INVALID',
      `expected an aggregate id of 1 to ${MAX_ID_BYTES} UTF-8 bytes, found ${
        typeof aggregateId === 'string' ? 'an empty string' : typeof aggregateId
      }; nothing was sent`,
    );
  }
  const bytes = Buffer.from(aggregateId, 'utf8');
  if (bytes.length > MAX_ID_BYTES) {
    throw new AggregateTransportError(
      'AGGREGATE_ID_INVALID',
      `expected an aggregate id of 1 to ${MAX_ID_BYTES} UTF-8 bytes, found ${bytes.length} bytes; nothing was sent`,
    );
  }
  // A lone surrogate has no UTF-8 form: it becomes U+FFFD, and two ids would share one lane.
  if (bytes.toString('utf8') !== aggregateId) {
    throw new AggregateTransportError(
      'AGGREGATE_ID_INVALID',
      'expected an aggregate id of well-formed text, found a lone surrogate; nothing was sent',
    );
  }
  return ENCODED_MARK + bytes.toString('base64url');
}

/** The aggregate id behind a token; the inverse of {@link tokenOf}. A token that no id has stands for itself. */
export function aggregateIdOf(token: string): string {
  return token.startsWith(ENCODED_MARK) ? (decodedId(token) ?? token) : token;
}

/** The id of an encoded token; undefined if it has another token, or none. */
function decodedId(token: string): string | undefined {
  const bytes = Buffer.from(token.slice(1), 'base64url');
  const id = bytes.toString('utf8');
  const isEncoded = bytes.length > 0 && bytes.length <= MAX_ID_BYTES && !PLAIN_TOKEN.test(id);
  return isEncoded && ENCODED_MARK + Buffer.from(id, 'utf8').toString('base64url') === token ? id : undefined;
}

/**
 * `<topic>.<b7>.….<b0>.<token>`: the subject all events of one aggregate are stored under.
 * @throws OPTIONS_INVALID if the topic's name is no text
 */
export function subjectOf(topic: string, token: string): string {
  return `${requireTopicName(topic, 'subjectOf')}.${bitsOfToken(token)}.${token}`;
}

/** `<b7>.….<b0>`: the subject tokens between topic and token. */
export function bitsOfToken(token: string): string {
  return bitsOf(fnv1a32(token));
}

/**
 * True if some aggregate's events are stored under this subject. A publisher that is not ours may use any other one. A
 * second token for an id, or bits that are not its token's, would give one aggregate two places in the order.
 */
export function isSubjectOfAggregate(subject: string, topic: string, token: string): boolean {
  const isToken = token.startsWith(ENCODED_MARK) ? decodedId(token) !== undefined : PLAIN_TOKEN.test(token);
  return isToken && subject.startsWith(bitsOf(fnv1a32(token)), topic.length + 1);
}

/** The token of a subject of any depth: the last part decides the lane. */
export function tokenOfSubject(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}

/** What the topic's stream takes in: our depth and nothing else, so the server refuses subjects of other depths. */
export function streamSubjectOf(topic: string): string {
  return `${topic}.*.*.*.*.*.*.*.*.*`;
}
