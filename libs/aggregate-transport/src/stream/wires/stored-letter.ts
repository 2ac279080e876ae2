import { encodeHeaderBlock } from '../../message/headers.js';
import type { LetterEvent } from '../../parking/parked-port.js';
import type { BatchMessage } from './letter-batch.js';
import { msOfExactNanos } from '../api/time.js';
import { tokenOfSubject } from '../../message/subject.js';
import { decodeNote, encodeNote, LETTER_HEADER, type Letter, type LetterNote } from '../../records/letter.js';
import type { StoredMessage } from '../../message/stored-event.js';
import { bodyOf, headersOf, type RawMessage } from '../api/stored-message.js';

/** A message of the parked stream, as its leader answers it. */
export function readLetter(message: RawMessage): Letter {
  const { seq: sequence, time: storedAt } = message;
  const stored = { sequence, storedAt, headers: headersOf(message), body: bodyOf(message) };
  return letterOf(tokenOfSubject(message.subject), stored);
}

/** A message of the parked stream; one that is no letter of ours gets a note that matches no marker. */
export function letterOf(token: string, { sequence: position, headers, body }: StoredMessage): Letter {
  const note = decodeNote(headers[LETTER_HEADER] ?? '') ?? {
    marker: 0,
    sequence: 0,
    stream: '',
    storedAt: 0,
  };
  const own = Object.entries(headers).filter(([name]) => name !== LETTER_HEADER && !name.startsWith('Nats-'));
  return { token, position, note, headers: Object.fromEntries(own), body };
}

/** The headers that make an event a letter. */
export function letterHeaders(
  event: LetterEvent,
  note: Omit<LetterNote, 'sequence' | 'storedAt'>,
): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(event.origin.readHeaders())) {
    if (!name.startsWith('Nats-')) headers.set(name, value);
  }
  const storedAt = msOfExactNanos(event.origin.readStoredAt());
  const whole = { ...note, sequence: event.sequence, storedAt };
  headers.set(LETTER_HEADER, encodeNote(whole));
  return headers;
}

/** The bytes of a letter on the wire, with those that a batch adds. */
export function letterBytes({ body, headers }: BatchMessage): number {
  return body.length + (encodeHeaderBlock(headers)?.length ?? 0) + BATCH_HEADER_BYTES;
}

/** What they add to a letter, at most. */
const BATCH_HEADER_BYTES = 128;
