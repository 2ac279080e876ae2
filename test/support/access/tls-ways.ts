import { copyFile, readFile } from 'node:fs/promises';
import type { NatsClientName } from 'nestjs-aggregate-transport';
import { BareServer } from '../bare-server.js';
import { TcpProxy } from '../tcp-proxy.js';
import { Certificates } from './certificates.js';
import { type Access, closing, type OpenWay, type Way } from './way.js';

type Kind = 'TLS' | 'mutual TLS' | 'TLS first';

/** Paths that stay the same while what lies there is replaced, as that of a mounted secret. */
interface Mounted {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

function wayOf(kind: Kind): Way {
  return {
    name: kind,
    async open(): Promise<OpenWay> {
      const [first, second] = await Promise.all([Certificates.make(), Certificates.make()]);
      const mounted = mountedIn(first);
      const [firstConfig, secondConfig] = await Promise.all([configOf(kind, first), configOf(kind, second)]);
      const server = await BareServer.start(() => firstConfig, '');
      await mount(mounted, first);
      const proxy = await TcpProxy.listen(server.ports.client);
      const ca = await readFile(first.ca, 'utf8');
      const own = kind === 'mutual TLS' ? { certFile: mounted.certFile, keyFile: mounted.keyFile } : {};
      const handshake = kind === 'TLS first' ? { handshakeFirst: true } : {};
      const access =
        (tls: object) =>
        (client: NatsClientName): Access => ({
          ...{ client, servers: proxy.url },
          connection: { tls: { ...handshake, ...tls } },
        });
      return {
        right: access({ ...own, ca }),
        renewing: access({ ...own, caFile: mounted.caFile }),
        wrong: access(kind === 'mutual TLS' ? { ca } : { ca: await readFile(second.ca, 'utf8') }),
        async rotate() {
          await mount(mounted, second);
          await server.reload(() => secondConfig);
          proxy.cut();
        },
        close: closing(
          () => first.remove(),
          () => second.remove(),
          () => server.stop(),
          () => proxy.close(),
        ),
      };
    },
  };
}

function mountedIn(folder: Certificates): Mounted {
  return {
    caFile: folder.file('mounted-ca.pem'),
    certFile: folder.file('mounted-client.pem'),
    keyFile: folder.file('mounted-client.key'),
  };
}

async function mount({ caFile, certFile, keyFile }: Mounted, authority: Certificates): Promise<void> {
  const { cert, key } = await authority.sign('client');
  await Promise.all([copyFile(authority.ca, caFile), copyFile(cert, certFile), copyFile(key, keyFile)]);
}

async function configOf(kind: Kind, authority: Certificates): Promise<string> {
  const { cert, key } = await authority.sign('server');
  const verify = kind === 'mutual TLS' ? `ca_file: "${authority.ca}", verify: true` : '';
  const first = kind === 'TLS first' ? 'handshake_first: true' : '';
  return `tls { cert_file: "${cert}", key_file: "${key}", timeout: 5, ${verify} ${first} }`;
}

export const TLS_WAYS: readonly Way[] = (['TLS', 'mutual TLS', 'TLS first'] as const).map(wayOf);
