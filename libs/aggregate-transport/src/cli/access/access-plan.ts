import type { JetStreamOptions } from '../../stream/connection/jetstream-place.js';
import { UsageError } from '../command/terminal.js';
import { type AccessFlags, flagsOfContext, type NatsContext } from '../command/access-flags.js';

/** What proves who the user is; files are named, not read. */
export type CredentialSource =
  | { readonly kind: 'none' }
  | { readonly kind: 'user'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'creds'; readonly file: string }
  | { readonly kind: 'nkey'; readonly file: string; readonly jwt?: string }
  /** Without a seed the JWT alone lets in: a bearer's. */
  | { readonly kind: 'jwt'; readonly jwt: string; readonly seed?: string };

export interface AccessPlan {
  readonly servers: readonly string[];
  readonly credentials: CredentialSource;
  readonly tls:
    | {
        readonly caFile?: string;
        readonly certFile?: string;
        readonly keyFile?: string;
        readonly handshakeFirst?: boolean;
      }
    | undefined;
  readonly inboxPrefix: string | undefined;
  readonly jetstream: JetStreamOptions;
}

/** What says how to reach the servers, and which of it was named by the user. */
export interface AccessSources {
  readonly flags: AccessFlags;
  readonly environment: AccessFlags;
  readonly context: NatsContext;
}

const DEFAULT_SERVER = 'nats://127.0.0.1:4222';
const CREDENTIAL_FLAGS = ['user', 'token', 'creds', 'nkey'] as const;

/**
 * How to reach the servers: a flag wins over a variable, and that over the context. Credentials are taken from one of
 * the three as a whole, so that a password never goes with a user of another place. Pure.
 * @throws UsageError if one place names two kinds of credentials, or a certificate without its key
 */
export function planAccess({ flags, environment, context }: AccessSources): AccessPlan {
  const ofContext = flagsOfContext(context);
  const merged: AccessFlags = { ...ofContext, ...environment, ...flags };
  const { tlsca, tlscert, tlskey, tlsfirst } = merged;
  if ((tlscert === undefined) !== (tlskey === undefined))
    throw new UsageError('expected --tlscert and --tlskey together, found one of them');
  const tls = {
    ...(tlsca === undefined ? {} : { caFile: tlsca }),
    ...(tlscert === undefined || tlskey === undefined ? {} : { certFile: tlscert, keyFile: tlskey }),
    ...(tlsfirst === true ? { handshakeFirst: true } : {}),
  };
  const servers = flags.server ?? flags.servers ?? merged.server ?? DEFAULT_SERVER;
  return {
    servers: servers.split(',').map((server) => server.trim()),
    credentials: credentialsOf([flags, environment, ofContext], context),
    tls: Object.keys(tls).length === 0 ? undefined : tls,
    inboxPrefix: merged['inbox-prefix'],
    jetstream: jetStreamOf(flags) ?? jetStreamOf(ofContext) ?? {},
  };
}

function credentialsOf(places: readonly AccessFlags[], context: NatsContext): CredentialSource {
  const place = places.find((one) => CREDENTIAL_FLAGS.some((flag) => one[flag] !== undefined));
  if (place !== undefined && place !== places.at(-1)) return credentialsIn(place, undefined);
  const jwt = context.user_jwt === '' ? undefined : context.user_jwt;
  // As the `nats` command line: a JWT of the context is looked for before its token.
  const isBefore = [place?.user, place?.creds, place?.nkey].some((one) => one !== undefined);
  if (jwt === undefined || isBefore)
    return place === undefined ? { kind: 'none' } : credentialsIn(place, jwt);
  const seed = context.user_seed ?? '';
  return { kind: 'jwt', jwt, ...(seed === '' ? {} : { seed }) };
}

/** @throws UsageError */
function credentialsIn(place: AccessFlags, jwt: string | undefined): CredentialSource {
  const kinds = CREDENTIAL_FLAGS.filter((flag) => place[flag] !== undefined);
  if (kinds.length > 1)
    throw new UsageError(
      `expected one kind of credentials, found ${kinds.map((kind) => `--${kind}`).join(' and ')}`,
    );
  const { user, password, token, creds, nkey } = place;
  if (creds !== undefined) return { kind: 'creds', file: creds };
  if (nkey !== undefined) return { kind: 'nkey', file: nkey, ...(jwt === undefined ? {} : { jwt }) };
  // As the `nats` command line: a user without a password is a token.
  if (user === undefined || password === undefined) return { kind: 'token', token: token ?? user ?? '' };
  return { kind: 'user', user, password };
}

function jetStreamOf(place: AccessFlags): JetStreamOptions | undefined {
  const { 'js-domain': domain, 'js-api-prefix': apiPrefix } = place;
  if (domain === undefined && apiPrefix === undefined) return undefined;
  return { ...(domain === undefined ? {} : { domain }), ...(apiPrefix === undefined ? {} : { apiPrefix }) };
}
