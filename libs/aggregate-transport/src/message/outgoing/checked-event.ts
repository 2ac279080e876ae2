import { type Codec, jsonCodec } from '../codec.js';
import { ownHeadersOf } from '../headers.js';
import type { OutgoingEvent } from './outgoing-event.js';

/** An event that the publisher would accept, with its defaults filled in. Published again from this, it is the same. */
export interface CheckedEvent {
  /** The aggregate's subject token: `tokenOf(aggregateId)`. */
  readonly token: string;
  /** The id that it will have in the stream. */
  readonly eventId: string;
  /** The envelope as the topic's codec has written it: what the stream would store. */
  readonly body: Uint8Array;
  /** True if the body is the JSON of the default codec. */
  readonly isJson: boolean;
  /** The caller's own headers, and those of the codec. */
  readonly headers: Readonly<Record<string, string>> | undefined;
}

/** What an outbox keeps of an event that is ready to be sent. `isTraced`: its headers may tell a trace, too. */
export function checkedEvent(
  { token, messageId, body, headers: block }: OutgoingEvent,
  headers: Readonly<Record<string, string>> | undefined,
  codec: Codec,
  isTraced = false,
): CheckedEvent {
  const eventId = messageId.slice(token.length + 1);
  const sent = codec.headersOf === undefined && !isTraced ? headers : ownHeadersOf(block);
  const own = sent === undefined ? undefined : { ...sent };
  return { token, eventId, body, isJson: codec === jsonCodec, headers: own };
}
