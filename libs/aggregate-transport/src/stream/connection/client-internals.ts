import type { Msg, NatsConnection } from 'nats';

/**
 * What is used of the client beyond its public interface, all of it in this file. A use whose part of the client is
 * not there gives undefined, and the caller then takes the public way, which is slower.
 */
export interface ClientInternals {
  /** Sends what is ready for the socket. */
  readonly socket: ClientSocket | undefined;
  /** The message's subject as the server sent it. */
  subjectBytesOf(message: Msg): Uint8Array | undefined;
  /** The message's body as the server sent it; undefined also if the message has headers. */
  bodyBytesOf(message: Msg): Uint8Array | undefined;
}

/** Takes bytes of the protocol, as the client makes them itself. */
export interface ClientSocket {
  /**
   * Sends whole messages after all that was given to the client before. While the client dials, they have the fate of
   * its own messages. The bytes must not change afterwards. `sent` is what they add to the client's statistics.
   */
  write(messages: Uint8Array, sent: Traffic): void;
}

/** Messages, and the bytes of their headers and bodies. */
export interface Traffic {
  readonly messages: number;
  readonly bytes: number;
}

/** Set to `1`, a process uses nothing of the client but its public interface. */
export const PUBLIC_CLIENT_ONLY = 'AGGREGATE_TRANSPORT_PUBLIC_CLIENT_ONLY';

/** What the client has that its interface does not name. */
interface ClientMessage {
  readonly _msg?: { readonly subject?: unknown; readonly hdr?: unknown };
  readonly _rdata?: unknown;
}

interface ClientProtocol {
  outMsgs: number;
  outBytes: number;
  /** Appends to what waits for the socket. */
  sendCommand(bytes: Uint8Array): void;
  /** Writes what waits, unless the client dials. */
  flushPending(): void;
}

const NO_HEADERS = -1;

function subjectBytesOf(message: Msg): Uint8Array | undefined {
  const subject = (message as ClientMessage)._msg?.subject;
  return subject instanceof Uint8Array ? subject : undefined;
}

function bodyBytesOf(message: Msg): Uint8Array | undefined {
  const { _msg, _rdata } = message as ClientMessage;
  return _msg?.hdr === NO_HEADERS && _rdata instanceof Uint8Array ? _rdata : undefined;
}

/** nats 2.x. */
class ProtocolSocket implements ClientSocket {
  constructor(private readonly protocol: ClientProtocol) {}

  write(messages: Uint8Array, sent: Traffic): void {
    const { protocol } = this;
    protocol.outMsgs += sent.messages;
    protocol.outBytes += sent.bytes;
    protocol.sendCommand(messages);
    protocol.flushPending();
  }
}

function socketOf(nats: NatsConnection): ClientSocket | undefined {
  const { protocol } = nats as { protocol?: Partial<ClientProtocol> };
  const isKnown =
    typeof protocol?.sendCommand === 'function' &&
    typeof protocol.flushPending === 'function' &&
    typeof protocol.outMsgs === 'number' &&
    typeof protocol.outBytes === 'number';
  return isKnown ? new ProtocolSocket(protocol as ClientProtocol) : undefined;
}

/** What this client offers beyond its public interface. Looked for once per connection. */
export function internalsOf(nats: NatsConnection): ClientInternals {
  if (process.env[PUBLIC_CLIENT_ONLY] === '1')
    return { socket: undefined, subjectBytesOf: () => undefined, bodyBytesOf: () => undefined };
  return { socket: socketOf(nats), subjectBytesOf, bodyBytesOf };
}
