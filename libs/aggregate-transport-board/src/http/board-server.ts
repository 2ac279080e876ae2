import { createServer, type Server } from 'node:http';
import { AggregateBoardError } from '../errors.js';
import { describeFailure } from '../failure.js';
import { BoardHttp, type BoardHttpOptions } from './board-http.js';

export interface BoardAddress {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
}

/** The board as a server of its own. */
export class BoardServer {
  private constructor(
    private readonly server: Server,
    private readonly board: BoardHttp,
  ) {}

  /** @throws BOARD_ADDRESS_UNAVAILABLE */
  static async listen(options: BoardHttpOptions, { host, port }: BoardAddress): Promise<BoardServer> {
    const board = new BoardHttp(options);
    const server = createServer((request, response) => {
      const { path, query } = placeOf(request.url ?? '/');
      void board.handle({ request, response, path, query });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    }).catch((error: unknown) => {
      throw new AggregateBoardError(
        'BOARD_ADDRESS_UNAVAILABLE',
        `expected to listen on ${host} port ${port}, found ${describeFailure(error).code}; choose another --port or --host`,
        { cause: error },
      );
    });
    return new BoardServer(server, board);
  }

  /** Where it listens. */
  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Ends all streams and requests. */
  async close(): Promise<void> {
    this.board.close();
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

/** A URL as it was sent; no host is read from it. */
function placeOf(url: string): { readonly path: string; readonly query: URLSearchParams } {
  const [path = '/', query = ''] = url.split(/\?(.*)/s);
  return { path, query: new URLSearchParams(query) };
}
