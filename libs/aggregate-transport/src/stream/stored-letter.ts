import { tokenOfSubject } from '../message/subject.js';
import { decodeNote, LETTER_HEADER, type Letter } from '../parking/letter.js';

/** A message as `STREAM.MSG.GET` answers it. */
export interface StoredMessage {
  seq: number;
  subject: string;
  hdrs?: string;
  data?: string;
}

/** A message of the parked stream; one that is no letter of ours gets a note that matches no marker. */
export function readLetter(message: StoredMessage): Letter {
  const headers = readHeaders(message.hdrs);
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
    body: Buffer.from(message.data ?? '', 'base64'),
  };
}

/** The header block of a stored message: a status line, then `Name: value` lines. */
function readHeaders(base64: string | undefined): Record<string, string> {
  const record: Record<string, string> = {};
  const [, ...lines] = Buffer.from(base64 ?? '', 'base64')
    .toString('utf8')
    .split('\r\n');
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) record[line.slice(0, colon)] = line.slice(colon + 1).trim();
  }
  return record;
}
