// Publishes into a topic with nothing but a NATS client, as a service in another language would; see
// docs/wire-format.md. Usage:
//
// node plain-publisher.js SERVER TOPIC [GIVE_UP_AFTER_MS] < events
//
// Each line of the input is one event as JSON: {"aggregateId":"order-7","type":"OrderPlaced","payload":{}}
//
// The first event that is refused, or has no answer, ends it with an error; no later event is sent.
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, headers } from 'nats';

// How long an event without an answer is sent again. Stay well below the stream's duplicate window, 120 s unless
// it was made with another: beyond it a copy is stored as a second event.
const [, , servers, topic, giveUpAfterMs = '60000'] = process.argv;
const ANSWER_WITHIN_MS = 2_000;
const RESEND_AFTER_MS = 250;

// #region token
/** The id itself where it is one plain subject token, else `~` and its base64url. */
function tokenOf(id) {
  const bytes = Buffer.from(id, 'utf8');
  if (bytes.length < 1 || bytes.length > 256) {
    throw new Error(
      `expected an aggregate id of 1 to 256 UTF-8 bytes, found ${bytes.length}; nothing was sent`,
    );
  }
  // A lone surrogate has no UTF-8 form: it becomes U+FFFD, and two different ids would get one token.
  if (!id.isWellFormed()) {
    throw new Error('expected an aggregate id of well-formed text, found a lone surrogate; nothing was sent');
  }
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

// #endregion

// #region store
/** What the server says to one copy of an event; undefined if nothing came, or no stream takes the subject now. */
async function answerTo(nats, subject, body, h) {
  try {
    const answer = await nats.request(subject, body, { headers: h, timeout: ANSWER_WITHIN_MS });
    return answer.json();
  } catch (error) {
    if (error.code === 'TIMEOUT' || error.code === '503') return undefined;
    throw error;
  }
}

/** Whether an answer decides nothing yet: no leader, or an earlier copy is still under way. */
function isPassing({ seq, error }) {
  return error === undefined ? !(seq > 0) : error.code === 503 || error.err_code === 10158;
}

/** Sends an event until its answer is there. Every copy has the same `Nats-Msg-Id`, so the stream keeps one. */
async function store(nats, subject, body, h) {
  const giveUpAt = performance.now() + Number(giveUpAfterMs);
  for (;;) {
    const answer = await answerTo(nats, subject, body, h);
    if (answer !== undefined && !isPassing(answer)) {
      if (answer.error !== undefined) throw new Error(`not stored: ${answer.error.description}`);
      return { sequence: answer.seq, duplicate: answer.duplicate ?? false };
    }
    if (performance.now() >= giveUpAt) {
      throw new Error(
        `expected an answer to ${h.get('Nats-Msg-Id')} within ${giveUpAfterMs} ms, found none; it is stored or ` +
          'not: send it again with the same eventId, before any later event of its aggregate',
      );
    }
    await delay(RESEND_AFTER_MS);
  }
}

// #endregion

const nats = await connect({ servers, maxReconnectAttempts: -1 });
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
  // One after the other: the next event of an aggregate leaves when this one is stored, never before.
  console.log(JSON.stringify(await store(nats, subjectOf(token), JSON.stringify(envelope), h)));
}
await nats.close();
