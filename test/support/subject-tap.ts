import { TcpProxy } from './tcp-proxy.js';

/** A way to a nats-server that notes the subjects a client publishes and subscribes to. */
export class SubjectTap {
  private constructor(
    private readonly proxy: TcpProxy,
    /** By connection. */
    private readonly sent: ReadonlyMap<number, string>,
  ) {}

  static async listen(port: number): Promise<SubjectTap> {
    const sent = new Map<number, string>();
    const proxy = await TcpProxy.listen(port, {
      opened: () => undefined,
      fromClient: (link, chunk) => void sent.set(link, (sent.get(link) ?? '') + chunk.toString('latin1')),
      toClient: () => undefined,
    });
    return new SubjectTap(proxy, sent);
  }

  get url(): string {
    return this.proxy.url;
  }

  get published(): ReadonlySet<string> {
    return this.#subjectsOf('H?PUB');
  }

  get subscribed(): ReadonlySet<string> {
    return this.#subjectsOf('SUB');
  }

  close(): Promise<void> {
    return this.proxy.close();
  }

  #subjectsOf(verb: string): Set<string> {
    const pattern = new RegExp(`^${verb} (\\S+)`, 'gm');
    return new Set(
      [...this.sent.values()].flatMap((text) =>
        [...text.matchAll(pattern)].map(([, subject = '']) => subject),
      ),
    );
  }
}
