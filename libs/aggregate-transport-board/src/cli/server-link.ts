import type { ConnectedOperations, Operations } from 'nestjs-aggregate-transport/operating';
import { AggregateBoardError } from '../errors.js';

/** The way to a NATS server that may not be there yet, or be away for a while. */
export class ServerLink {
  #operations: ConnectedOperations | undefined;
  /** Rejects if the connection cannot be opened, and never resolves. */
  readonly failed: Promise<never>;

  constructor(connected: Promise<ConnectedOperations>) {
    this.failed = connected.then((operations) => {
      this.#operations = operations;
      return new Promise<never>(() => undefined);
    });
    // It is awaited later.
    this.failed.catch(() => undefined);
  }

  /** @throws BOARD_DISCONNECTED at once, instead of a request that waits for its end */
  readonly open = (): Operations => {
    if (this.#operations?.isConnected() === true) return this.#operations;
    throw new AggregateBoardError(
      'BOARD_DISCONNECTED',
      'expected a connection to the NATS server, found none; see that the server runs and can be reached',
    );
  };

  /** A connection that is still being dialled is not waited for: the process ends. */
  async close(): Promise<void> {
    await this.#operations?.close();
  }
}
