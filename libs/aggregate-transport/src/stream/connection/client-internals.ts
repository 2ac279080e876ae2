import type { Msg } from 'nats';

/**
 * What is used of the client beyond its public interface, all of it in this file. A use whose part of the client is
 * not there gives undefined, and the caller then takes the public way, which is slower.
 */
export interface ClientInternals {
  /** The message's subject as the server sent it. */
  subjectBytesOf(message: Msg): Uint8Array | undefined;
  /** The message's body as the server sent it; undefined also if the message has headers. */
  bodyBytesOf(message: Msg): Uint8Array | undefined;
}

/** Set to `1`, a process uses nothing of the client but its public interface. */
export const PUBLIC_CLIENT_ONLY = 'AGGREGATE_TRANSPORT_PUBLIC_CLIENT_ONLY';

/** What the client may have that its interface does not name. */
interface ClientMessage {
  readonly _msg?: { readonly subject?: unknown; readonly hdr?: unknown };
  readonly _rdata?: unknown;
}

const NO_HEADERS = -1;

/** Reads messages of nats 2.x without making texts of their bytes. */
const readsMessages: ClientInternals = {
  subjectBytesOf: (message) => {
    const subject = (message as ClientMessage)._msg?.subject;
    return subject instanceof Uint8Array ? subject : undefined;
  },
  bodyBytesOf: (message) => {
    const { _msg, _rdata } = message as ClientMessage;
    return _msg?.hdr === NO_HEADERS && _rdata instanceof Uint8Array ? _rdata : undefined;
  },
};

const NONE: ClientInternals = { subjectBytesOf: () => undefined, bodyBytesOf: () => undefined };

/** What the client offers beyond its public interface. Asked once per connection. */
export function clientInternals(): ClientInternals {
  return process.env[PUBLIC_CLIENT_ONLY] === '1' ? NONE : readsMessages;
}
