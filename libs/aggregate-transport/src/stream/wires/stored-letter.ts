import { tokenOfSubject } from '../../message/subject.js';
import { decodeNote, LETTER_HEADER, type Letter } from '../../records/letter.js';
import { bodyOf, headersOf, type RawMessage } from '../api/stored-message.js';

/** A message of the parked stream; one that is no letter of ours gets a note that matches no marker. */
export function readLetter(message: RawMessage): Letter {
  const headers = headersOf(message);
  const note = decodeNote(headers[LETTER_HEADER] ?? '') ?? {
    marker: 0,
    sequence: 0,
    stream: '',
    storedAt: 0,
  };
  const own = Object.entries(headers).filter(([name]) => name !== LETTER_HEADER && !name.startsWith('Nats-'));
  return {
    token: tokenOfSubject(message.subject),
    position: message.seq,
    note,
    headers: Object.fromEntries(own),
    body: bodyOf(message),
  };
}
