import type { NatsMessage } from './nats-message.js';

/**
 * What is used of a client beyond its public interface. A use whose part of the client is not there gives undefined,
 * and the caller then takes the public way, which is slower.
 */
export interface ClientFrames {
  /** Sends what is ready for the socket. */
  readonly socket: ClientSocket | undefined;
  /** The message's subject as the server sent it. */
  subjectBytesOf(message: NatsMessage): Uint8Array | undefined;
  /** The message's body as the server sent it; undefined also if the message has headers. */
  bodyBytesOf(message: NatsMessage): Uint8Array | undefined;
  /** Bytes that begin with the message's header block, as the server sent it; undefined if it has none. */
  headerBytesOf(message: NatsMessage): Uint8Array | undefined;
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
