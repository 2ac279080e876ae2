import type { ClientFrames, ClientSocket, Traffic } from '../port/client-frames.js';
import type { NatsMessage } from '../port/nats-message.js';

/** Set to `1`, a process uses nothing of a client but its public interface. */
export const PUBLIC_CLIENT_ONLY = 'AGGREGATE_TRANSPORT_PUBLIC_CLIENT_ONLY';

/** What the clients have that their interfaces do not name. It has the same form in `nats` 2.x and in nats-core 3.x. */
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
  readonly transport?: { readonly lang?: unknown };
}

const NO_HEADERS = -1;

function subjectBytesOf(message: NatsMessage): Uint8Array | undefined {
  const subject = (message as ClientMessage)._msg?.subject;
  return subject instanceof Uint8Array ? subject : undefined;
}

function bodyBytesOf(message: NatsMessage): Uint8Array | undefined {
  const { _msg, _rdata } = message as ClientMessage;
  return _msg?.hdr === NO_HEADERS && _rdata instanceof Uint8Array ? _rdata : undefined;
}

function headerBytesOf(message: NatsMessage): Uint8Array | undefined {
  const { _msg, _rdata } = message as ClientMessage;
  const size = _msg?.hdr;
  return typeof size === 'number' && size > 0 && _rdata instanceof Uint8Array ? _rdata : undefined;
}

class ProtocolSocket implements ClientSocket {
  constructor(private readonly protocol: ClientProtocol) {}

  write(messages: Uint8Array, sent: Traffic): void {
    const { protocol } = this;
    protocol.outMsgs += sent.messages;
    protocol.outBytes += sent.bytes;
    protocol.sendCommand(isWeb(protocol) ? alone(messages) : messages);
    protocol.flushPending();
  }
}

/** The WebSocket transport sends the memory under what it is given, and a Buffer may share its memory. */
function isWeb({ transport }: ClientProtocol): boolean {
  return transport?.lang !== 'nats.js';
}

/** The same bytes in memory of their own. */
function alone(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.from(bytes);
}

function socketOf(connection: object): ClientSocket | undefined {
  const { protocol } = connection as { protocol?: Partial<ClientProtocol> };
  const isKnown =
    typeof protocol?.sendCommand === 'function' &&
    typeof protocol.flushPending === 'function' &&
    typeof protocol.outMsgs === 'number' &&
    typeof protocol.outBytes === 'number';
  return isKnown ? new ProtocolSocket(protocol as ClientProtocol) : undefined;
}

/**
 * What this client offers beyond its public interface, all of it in this file. Looked for once per connection. A part
 * that is not there gives undefined, and the public way is taken.
 */
export function framesOf(connection: object): ClientFrames {
  if (process.env[PUBLIC_CLIENT_ONLY] === '1')
    return {
      socket: undefined,
      subjectBytesOf: () => undefined,
      bodyBytesOf: () => undefined,
      headerBytesOf: () => undefined,
    };
  return { socket: socketOf(connection), subjectBytesOf, bodyBytesOf, headerBytesOf };
}
