import { AggregateTransportError } from '../../errors.js';
import type { Codec } from '../codec.js';
import type { Envelope } from '../envelope.js';
import { isHeader, isServerHeader } from '../headers.js';
import { isPlainObject } from '../json.js';

type Headers = Readonly<Record<string, string>>;

/**
 * The caller's headers with those that the codec and the trace add. A header that both add is the codec's.
 * @throws PAYLOAD_NOT_SERIALIZABLE if the codec throws, or answers what no header can carry
 * @throws HEADER_RESERVED if the caller has set one of them
 */
export function withCodecHeaders(
  codec: Codec,
  envelope: Envelope,
  own: Headers | undefined,
  trace?: Headers,
): Headers | undefined {
  if (codec.headersOf === undefined) return trace === undefined ? own : { ...trace, ...own };
  const added = { ...trace, ...headersOf(codec, envelope) };
  if (own === undefined) return added;
  const names = new Set(Object.keys(added).map((name) => name.toLowerCase()));
  const taken = Object.keys(own).find((name) => names.has(name.toLowerCase()));
  if (taken === undefined) return { ...added, ...own };
  throw new AggregateTransportError(
    'HEADER_RESERVED',
    `expected header names of your own, found "${taken}", which the topic's codec writes; nothing was sent`,
  );
}

function headersOf(codec: Codec, envelope: Envelope): Headers {
  let headers: unknown;
  try {
    headers = codec.headersOf?.(envelope);
    if (isPlainObject(headers)) {
      // Copied once: the codec may change its object, or answer with getters.
      const copied = Object.entries(headers) as [string, unknown][];
      if (copied.every(([name, value]) => !isServerHeader(name) && isHeader(name, value)))
        return Object.fromEntries(copied) as Headers;
    }
  } catch (cause) {
    throw refused(envelope, 'found that it threw', cause);
  }
  throw refused(envelope, 'found another answer');
}

function refused({ event_type: type }: Envelope, found: string, cause?: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'PAYLOAD_NOT_SERIALIZABLE',
    `expected codec.headersOf to give an object of header names and texts at once for an event of type "${type}", ` +
      `${found}; nothing was sent: correct the codec`,
    { cause },
  );
}
