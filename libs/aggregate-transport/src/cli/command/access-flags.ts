/** How a command reaches its servers: the flags of the `nats` command line. */
export const ACCESS_FLAGS = {
  server: 'string',
  servers: 'string',
  user: 'string',
  password: 'string',
  token: 'string',
  creds: 'string',
  nkey: 'string',
  tlsca: 'string',
  tlscert: 'string',
  tlskey: 'string',
  tlsfirst: 'boolean',
  'inbox-prefix': 'string',
  'js-domain': 'string',
  'js-api-prefix': 'string',
  context: 'string',
} as const;

/** What the command line says of the server and of who asks. */
export type AccessFlags = {
  readonly [K in keyof typeof ACCESS_FLAGS]?: (typeof ACCESS_FLAGS)[K] extends 'string' ? string : boolean;
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** A file of the `nats` command line's contexts (ADR-21), as far as it is understood here. */
export interface NatsContext {
  readonly url?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  readonly creds?: string;
  readonly nkey?: string;
  readonly user_jwt?: string;
  readonly user_seed?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly tls_first?: boolean;
  readonly inbox_prefix?: string;
  readonly jetstream_domain?: string;
  readonly jetstream_api_prefix?: string;
}

/** The variables that the `nats` command line reads, by flag. */
const VARIABLES = {
  server: 'NATS_URL',
  user: 'NATS_USER',
  password: 'NATS_PASSWORD',
  token: 'NATS_TOKEN',
  creds: 'NATS_CREDS',
  nkey: 'NATS_NKEY',
  tlsca: 'NATS_CA',
  tlscert: 'NATS_CERT',
  tlskey: 'NATS_KEY',
  'inbox-prefix': 'NATS_INBOX_PREFIX',
  context: 'NATS_CONTEXT',
} as const satisfies Partial<Record<keyof AccessFlags, string>>;
const TLS_FIRST_VARIABLE = 'NATS_TLS_FIRST';

/** What the environment says, as flags. An empty variable says nothing. Pure. */
export function flagsOfEnvironment(environment: Environment): AccessFlags {
  const named = Object.entries(VARIABLES).flatMap(([flag, variable]) => {
    const value = environment[variable] ?? '';
    return value === '' ? [] : [[flag, value] as const];
  });
  const first = ['1', 'true'].includes(environment[TLS_FIRST_VARIABLE] ?? '') ? { tlsfirst: true } : {};
  return { ...(Object.fromEntries(named) as AccessFlags), ...first };
}

/** What a context says, as flags, besides a JWT of its own. An empty field says nothing. Pure. */
export function flagsOfContext(context: NatsContext): AccessFlags {
  const { creds, nkey, user, token } = context;
  // Of several credentials the `nats` command line takes the first of these.
  const credentials = given({ user })
    ? { user, password: context.password }
    : ([{ creds }, { nkey }, { token }].find(given) ?? {});
  const all = {
    ...credentials,
    server: context.url,
    tlsca: context.ca,
    tlscert: context.cert,
    tlskey: context.key,
    tlsfirst: context.tls_first === true ? true : undefined,
    'inbox-prefix': context.inbox_prefix,
    'js-domain': context.jetstream_domain,
    'js-api-prefix': context.jetstream_api_prefix,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== ''));
}

/** The flags to reach another server. Credentials of its own take the place of all others. Pure. */
export function flagsTo(flags: AccessFlags, server: string, creds: string | undefined): AccessFlags {
  if (creds === undefined) return { ...flags, server };
  const others = Object.entries(flags).filter(
    ([flag]) => !['user', 'password', 'token', 'nkey'].includes(flag),
  );
  return { ...Object.fromEntries(others), server, creds };
}

function given(fields: Readonly<Record<string, string | undefined>>): boolean {
  return Object.values(fields).every((value) => value !== undefined && value !== '');
}
