import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Client to server, server to client, or both ways. */
export type Direction = 'c2s' | 's2c' | 'both';

type Way = 'c2s' | 's2c';

/** Reads along what passes through a proxy. */
export interface WireObserver {
  /** A connection was accepted. Numbers are not used again within a process. */
  opened(link: number): void;
  /** The client has sent this; it may still be held back or lost. */
  fromClient(link: number, chunk: Buffer): void;
  /** The client is handed this now. */
  toClient(link: number, chunk: Buffer): void;
}

/** Where the connections lead. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
}

let linkCount = 0;

/** One connection through the proxy: two sockets and what is held back between them. */
interface Link {
  readonly number: number;
  readonly client: Socket;
  readonly upstream: Socket;
  /** In a black hole of its own, both ways. */
  isHeld: boolean;
  /** What a black hole holds, per way: chunks, then `undefined` for the end of the stream. */
  readonly held: Record<Way, (Buffer | undefined)[]>;
  /** A throttled server's bytes leave one after the other. */
  slow: Promise<void>;
}

const SLICE_BYTES = 512;

/**
 * A TCP proxy on a free port of 127.0.0.1 that breaks connections as a network does.
 *
 * A black hole holds bytes instead of dropping them, because TCP does the same: the sender transmits them again. After
 * {@link heal} the receiver gets all of them late, the end of the stream included. So a server behind a black hole
 * keeps a connection that its client has given up long ago. It hears that client's old pulls when the hole closes.
 */
export class TcpProxy implements AsyncDisposable {
  readonly #links = new Set<Link>();
  readonly #holes: Record<Way, boolean> = { c2s: false, s2c: false };
  #refusing = false;
  #accepted = 0;
  #sliceEveryMs = 0;
  #rewrite: ((text: string) => string) | undefined;

  private constructor(
    private readonly server: Server,
    private readonly target: ProxyTarget,
    private readonly observer: WireObserver | undefined,
  ) {
    server.on('connection', (client) => this.#accept(client));
  }

  /** @param target A port of 127.0.0.1, or a port of another host. */
  static async listen(target: number | ProxyTarget, observer?: WireObserver): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const place = typeof target === 'number' ? { host: '127.0.0.1', port: target } : target;
    return new TcpProxy(server, place, observer);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Connections accepted so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Open connections. */
  get size(): number {
    return this.#links.size;
  }

  /** Breaks every connection at once, both ends; what was on its way is lost. */
  cut(): void {
    for (const link of this.#links) destroy(link);
  }

  /** From now on nothing arrives in this direction, on old connections and new ones. */
  blackhole(direction: Direction): void {
    if (direction !== 's2c') this.#holes.c2s = true;
    if (direction !== 'c2s') this.#holes.s2c = true;
  }

  /** From now on the server's bytes arrive in slices of 512, one per so many milliseconds; 0: at once. */
  throttle(sliceEveryMs: number): void {
    this.#sliceEveryMs = sliceEveryMs;
  }

  /** From now on the server gets what this makes of what clients send. It must keep the number of bytes. */
  rewriteClient(rewrite: (text: string) => string): void {
    this.#rewrite = rewrite;
  }

  /** From now on nothing arrives on this connection, either way; the others continue. An observer may call it at once. */
  blackholeLink(number: number): void {
    for (const link of this.#links) if (link.number === number) link.isHeld = true;
  }

  /** Closes all black holes; what they held arrives now. */
  heal(): void {
    this.#holes.c2s = this.#holes.s2c = false;
    for (const link of this.#links) {
      link.isHeld = false;
      for (const way of ['c2s', 's2c'] as const) {
        for (const chunk of link.held[way].splice(0)) this.#pass(link, way, chunk);
      }
    }
  }

  /** Breaks every connection and accepts none until the time is over. */
  async refuse(ms: number): Promise<void> {
    this.#refusing = true;
    this.cut();
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#refusing = false;
  }

  async close(): Promise<void> {
    this.#refusing = true;
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.destroy();
      return;
    }
    const upstream = connect({ ...this.target, allowHalfOpen: true });
    const link: Link = {
      number: ++linkCount,
      client,
      upstream,
      isHeld: false,
      held: { c2s: [], s2c: [] },
      slow: Promise.resolve(),
    };
    this.#links.add(link);
    this.#accepted++;
    this.observer?.opened(link.number);
    client.setNoDelay(true);
    upstream.setNoDelay(true);
    this.#pipe(link, 'c2s', client);
    this.#pipe(link, 's2c', upstream);
  }

  #pipe(link: Link, way: Way, from: Socket): void {
    const take = (chunk: Buffer | undefined): void => {
      if (way === 'c2s' && chunk !== undefined) this.observer?.fromClient(link.number, chunk);
      if (this.#holes[way] || link.isHeld) link.held[way].push(chunk);
      else this.#pass(link, way, chunk);
    };
    from.on('data', (chunk: Buffer) => take(chunk));
    from.on('end', () => take(undefined));
    from.on('error', () => undefined);
    from.on('close', (hadError) => {
      // A reset travels like any other packet: through a black hole it does not.
      if (hadError) take(undefined);
      if (link.client.destroyed && link.upstream.destroyed) this.#links.delete(link);
    });
  }

  #pass(link: Link, way: Way, chunk: Buffer | undefined): void {
    const to = way === 'c2s' ? link.upstream : link.client;
    if (to.destroyed || to.writableEnded) return;
    if (chunk === undefined) {
      to.end();
      return;
    }
    if (way === 'c2s') {
      to.write(this.#rewritten(chunk));
    } else if (this.#sliceEveryMs === 0) {
      this.observer?.toClient(link.number, chunk);
      to.write(chunk);
    } else {
      link.slow = link.slow.then(() => this.#passSlowly(link, chunk));
    }
  }

  #rewritten(chunk: Buffer): Buffer {
    if (this.#rewrite === undefined) return chunk;
    const rewritten = Buffer.from(this.#rewrite(chunk.toString('latin1')), 'latin1');
    if (rewritten.length !== chunk.length)
      throw new Error(`expected ${chunk.length} bytes to stay that many, found ${rewritten.length}`);
    return rewritten;
  }

  async #passSlowly({ client, number }: Link, chunk: Buffer): Promise<void> {
    for (let from = 0; from < chunk.length && !client.destroyed; from += SLICE_BYTES) {
      const slice = chunk.subarray(from, from + SLICE_BYTES);
      this.observer?.toClient(number, slice);
      client.write(slice);
      if (this.#sliceEveryMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#sliceEveryMs));
    }
  }
}

function destroy(link: Link): void {
  link.client.destroy();
  link.upstream.destroy();
}
