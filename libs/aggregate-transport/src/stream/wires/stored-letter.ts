import { tokenOfSubject } from '../../message/subject.js';
import { decodeNote, LETTER_HEADER, type Letter } from '../../records/letter.js';
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
