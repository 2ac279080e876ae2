// Compiled, never run: what the compiler must refuse stands behind `@ts-expect-error`. What users have from either
// client fits into the options of this library, which name no client.
import type * as natsIo from '@nats-io/transport-node';
import type * as nats from 'nats';
import type { AggregateTransportOptions } from 'nestjs-aggregate-transport';

type Source = NonNullable<AggregateTransportOptions['connection']>;

declare const ofNats: nats.ConnectionOptions;
declare const ofNatsIo: natsIo.NodeConnectionOptions;
declare const openNats: nats.NatsConnection;
declare const openNatsIo: natsIo.NatsConnection;
declare const creds: Uint8Array;

export const sources = {
  options: [ofNats, ofNatsIo] satisfies Source[],
  open: [openNats, openNatsIo] satisfies Source[],
  made: [
    () => Promise.resolve(openNats),
    () => openNatsIo,
    async () => (await import('@nats-io/transport-node')).connect(ofNatsIo),
  ] satisfies Source[],
  authenticated: [
    (await import('nats')).credsAuthenticator(creds),
    (await import('@nats-io/transport-node')).credsAuthenticator(creds),
  ].map((authenticator) => ({ authenticator })) satisfies Source[],
};

// @ts-expect-error a misspelt option
export const misspelt: Source = { usr: 'a' };
// @ts-expect-error nothing that makes a connection
export const makesNone: Source = () => 7;
// @ts-expect-error a name of no client
export const noClient: AggregateTransportOptions = { client: 'deno', topics: {} };
