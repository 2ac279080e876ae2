// Publishes into a topic with nothing but a NATS client, as a service in another language would; see
// docs/wire-format.md. Usage: node plain-publisher.js SERVER TOPIC < events
// Each line of the input is one event as JSON: {"aggregateId":"order-7","type":"OrderPlaced","payload":{}}
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { connect, headers } from 'nats';

const [, , servers, topic] = process.argv;

/** The id itself where it is one plain subject token, else `~` and its base64url. */
function tokenOf(id) {
  const bytes = Buffer.from(id, 'utf8');
  if (bytes.length < 1 || bytes.length > 256) throw new Error('an id has 1 to 256 bytes');
  return /^[A-Za-z0-9_-]{1,128}$/.test(id) ? id : `~${bytes.toString('base64url')}`;
}

/** FNV-1a, 32 bits, over the token's bytes. */
function fnv1a32(token) {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(token, 'ascii')) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The hash modulo 256 as eight subject tokens, its highest bit first. */
function subjectOf(token) {
  const bits = (fnv1a32(token) % 256).toString(2).padStart(8, '0').split('').join('.');
  return `${topic}.${bits}.${token}`;
}

const nats = await connect({ servers });
for await (const line of createInterface({ input: process.stdin })) {
  const { aggregateId, type, payload, eventId = randomUUID() } = JSON.parse(line);
  const token = tokenOf(aggregateId);
  const envelope = {
    event_id: eventId,
    aggregate_id: aggregateId,
    event_type: type,
    event_version: 1,
    timestamp: new Date().toISOString(),
    payload,
  };
  const h = headers();
  h.set('Nats-Msg-Id', `${token}:${eventId}`);
  // One after the other: the next event of an aggregate leaves when this one is stored, never before. What has
  // no answer is sent again with the same id until it has one.
  const answer = await nats.request(subjectOf(token), JSON.stringify(envelope), {
    headers: h,
    timeout: 5_000,
  });
  const { seq, duplicate = false, error } = answer.json();
  if (error !== undefined) throw new Error(error.description);
  console.log(JSON.stringify({ sequence: seq, duplicate }));
}
await nats.close();
