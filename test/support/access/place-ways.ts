import { BareServer } from '../bare-server.js';
import { TcpProxy } from '../tcp-proxy.js';
import { closing, type Way } from './way.js';

const PASSWORD = 'pw';

/** Behind a leaf node that has no JetStream of its own, or has one of another domain. */
function domainWay(leafDomain: string | undefined): Way {
  return {
    name: leafDomain === undefined ? 'JetStream domain' : 'JetStream domain beside one of the leaf node',
    async open() {
      const hub = await BareServer.start(({ leaf }) => `leafnodes { listen: "127.0.0.1:${leaf}" }`, 'hub');
      const remote = `{ url: "nats-leaf://127.0.0.1:${hub.ports.leaf}" }`;
      const leaf = await BareServer.start(
        () => `leafnodes { reconnect: "200ms", remotes: [ ${remote} ] }`,
        leafDomain,
      );
      return {
        right: (client) => ({ client, servers: leaf.url, jetstream: { domain: 'hub' } }),
        wrong: (client) => ({ client, servers: leaf.url, jetstream: { domain: 'nowhere' } }),
        close: closing(
          () => hub.stop(),
          () => leaf.stop(),
        ),
      };
    },
  };
}

export const TOPIC = 'orders';

/** What an account exports, and another imports, for one topic to be used from there. */
export function accountsOf(missing: string | undefined, response = 'stream'): string {
  const services = [TOPIC, `${TOPIC}_parked`].map((name) => `${name}.>`);
  const exported = [
    `{ service: "$JS.API.>", response_type: ${response} }`,
    ...[...services, '$KV.>'].map((subject) => `{ service: "${subject}" }`),
  ];
  const imported = [
    ['$JS.API.>', 'JS.acme.API.>'],
    ['$KV.>', 'JS.acme.API.$KV.>'],
    ...services.map((subject) => [subject, subject]),
  ]
    .filter(([subject]) => subject !== missing)
    .map(([subject, to]) => `{ service: { account: HUB, subject: "${subject}" }, to: "${to}" }`);
  return `accounts {
    HUB { jetstream: enabled, users: [ { user: hub, password: ${PASSWORD} } ], exports: [ ${exported.join('\n')} ] }
    ACME { users: [ { user: acme, password: ${PASSWORD} } ], imports: [ ${imported.join('\n')} ] }
  }`;
}

const apiPrefix: Way = {
  name: 'JetStream of another account',
  async open() {
    const server = await BareServer.start(() => accountsOf(undefined), '');
    const servers = server.url;
    const connection = { user: 'acme', pass: PASSWORD };
    return {
      right: (client) => ({ client, servers, connection, jetstream: { apiPrefix: 'JS.acme.API' } }),
      wrong: (client) => ({ client, servers, connection, jetstream: { apiPrefix: 'JS.other.API' } }),
      close: () => server.stop(),
    };
  },
};

/** A user that may subscribe to its own inboxes and to keys, and to nothing else. */
const inboxPrefix: Way = {
  name: 'inbox prefix',
  isAsked: false,
  async open() {
    const keys = ['aggregate-transport', 'aggregate-transport-parked', `${TOPIC}_positions`];
    const subscribe = JSON.stringify(['INBOX_svc.>', ...keys.map((key) => `$KV.${key}.>`)]);
    const server = await BareServer.start(
      () => `accounts { A { jetstream: enabled, users: [
        { user: svc, password: ${PASSWORD}, permissions: { publish: [">"], subscribe: ${subscribe} } } ] } }`,
      '',
    );
    const user = { user: 'svc', pass: PASSWORD };
    return {
      right: (client) => ({ client, servers: server.url, connection: { ...user, inboxPrefix: 'INBOX_svc' } }),
      wrong: (client) => ({ client, servers: server.url, connection: user }),
      close: () => server.stop(),
    };
  },
};

const severalServers: Way = {
  name: 'several servers, one away',
  async open() {
    const server = await BareServer.start(() => '', '');
    const proxy = await TcpProxy.listen(server.ports.client);
    const dead = proxy.url;
    await proxy.close();
    return {
      right: (client) => ({ client, servers: [dead, server.url] }),
      wrong: (client) => ({ client, servers: [dead, 'nats://127.0.0.1:1'] }),
      close: () => server.stop(),
    };
  },
};

export const PLACE_WAYS: readonly Way[] = [
  inboxPrefix,
  severalServers,
  domainWay(undefined),
  domainWay('edge'),
  apiPrefix,
];
