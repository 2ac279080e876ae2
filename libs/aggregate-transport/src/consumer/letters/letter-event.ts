import { Delivery } from '../../message/delivery.js';
import { subjectOf } from '../../message/subject.js';
import type { Letter } from '../../records/letter.js';

/** Letters keep the time their event was stored in milliseconds. */
const NANOS_OF_A_MILLISECOND = '000000';

/** The event in a letter. */
export function letterEvent(topic: string, { token, note, headers, body, isReplay }: Letter): Delivery {
  return new Delivery({
    subject: subjectOf(topic, token),
    token,
    sequence: note.sequence,
    consumerSequence: 0,
    body,
    created: note.stream,
    ...(note.run === undefined ? {} : { run: note.run }),
    ...(isReplay === undefined ? {} : { isReplay }),
    ...(note.edit === undefined ? {} : { edit: note.edit }),
    ...(note.trace === undefined ? {} : { trace: note.trace }),
    readHeaders: () => headers,
    readStoredAt: () => `${note.storedAt}${NANOS_OF_A_MILLISECOND}`,
  });
}
