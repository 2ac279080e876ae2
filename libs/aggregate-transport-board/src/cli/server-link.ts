import type { ConnectedOperations, Operations } from 'nestjs-aggregate-transport/operating';
import type { Clock } from '../clock.js';
import { AggregateBoardError } from '../errors.js';
import { describeFailure } from '../failure.js';
import type { Log } from '../log.js';

export interface ServerLinkOptions {
  readonly connect: () => Promise<ConnectedOperations>;
  readonly clock: Clock;
  readonly log: Log;
}

const AGAIN_MS = 2_000;

/**
 * The way to a NATS server that may not be there yet, or be away for a while: the board says so instead of ending. It
 * dials until the first connection is open; from then on the client dials by itself. One that the client has given up,
 * as after new credentials, is replaced: what says how to reach the server is read again.
 */
export class ServerLink {
  #operations: ConnectedOperations | undefined;
  #why = 'it is being dialled';
  #cancelAgain: () => void = () => undefined;
  #isClosed = false;
  #fail: (error: unknown) => void = () => undefined;

  /** Rejects with what no waiting helps, such as a client that is not installed. It never resolves. */
  readonly failed = new Promise<never>((_resolve, reject) => {
    this.#fail = reject;
  });

  constructor(private readonly options: ServerLinkOptions) {
    // It is awaited later.
    this.failed.catch(() => undefined);
    void this.#dial();
  }

  /** @throws BOARD_DISCONNECTED at once, instead of a request that waits for its end */
  readonly open = (): Operations => {
    if (this.#operations?.isConnected() === true) return this.#operations;
    this.#replaceEnded();
    const why = this.#operations === undefined ? this.#why : 'the connection was lost';
    throw new AggregateBoardError(
      'BOARD_DISCONNECTED',
      `expected a connection to the NATS server, found none: ${why}; see that the server runs and can be reached`,
    );
  };

  #replaceEnded(): void {
    const ended = this.#operations?.endedBy();
    if (ended === undefined || this.#isClosed) return;
    void this.#operations?.close();
    this.#operations = undefined;
    this.#again(ended);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelAgain();
    await this.#operations?.close();
  }

  async #dial(): Promise<void> {
    try {
      const operations = await this.options.connect();
      if (this.#isClosed) await operations.close();
      else this.#operations = operations;
    } catch (error) {
      const { code, text } = describeFailure(error);
      if (code !== 'CONNECTION_FAILED' && code !== 'JETSTREAM_UNAVAILABLE') this.#fail(error);
      else if (!this.#isClosed) this.#again(text);
    }
  }

  #again(why: string): void {
    if (why !== this.#why) this.options.log.warn(`no connection yet: ${why}`);
    this.#why = why;
    this.#cancelAgain = this.options.clock.after(AGAIN_MS, () => void this.#dial());
  }
}
