import type { NatsAuthenticator } from 'nestjs-aggregate-transport';
import { Signer } from './signer.js';

/** What a JWT grants; undefined: everything. */
export interface UserRules {
  readonly publish?: readonly string[];
  readonly subscribe?: readonly string[];
  /** Seconds from now. */
  readonly expiresInS?: number;
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 };
const ACCOUNT_LIMITS = {
  ...{ ...UNLIMITED, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 },
  ...{ mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 },
};

/**
 * A NATS operator of a test with one account that has JetStream, and a system account: JWTs that the test signs
 * itself.
 */
export class Operator {
  readonly #operator = new Signer('operator');
  readonly #account = new Signer('account');
  readonly #system = new Signer('account');

  /** For the configuration of a server. */
  config(): string {
    const own = { type: 'operator', version: 2, system_account: this.#system.publicKey };
    const account = { type: 'account', version: 2, limits: ACCOUNT_LIMITS };
    const system = {
      type: 'account',
      version: 2,
      limits: { ...ACCOUNT_LIMITS, mem_storage: 0, disk_storage: 0 },
    };
    const preload = [
      [this.#account, account],
      [this.#system, system],
    ] as const;
    // In Jest's sandbox the clients sign slowly.
    return `
      authorization { timeout: 20 }
      operator: ${encodeJwt(this.#operator, this.#operator.publicKey, own)}
      system_account: ${this.#system.publicKey}
      resolver: MEMORY
      resolver_preload: {
        ${preload.map(([key, claims]) => `${key.publicKey}: ${encodeJwt(this.#operator, key.publicKey, claims)}`).join('\n')}
      }`;
  }

  /** Answers a server's nonce as the clients do with a credentials file, but at once, also in Jest's sandbox. */
  authenticator(rules: UserRules = {}): NatsAuthenticator {
    const user = new Signer('user');
    let jwt: string | undefined;
    return (nonce = '') => {
      // It expires from the first attempt on.
      jwt ??= this.#jwtOf(user, rules);
      return { jwt, nkey: user.publicKey, sig: user.sign(nonce).toString('base64url') };
    };
  }

  /** The text of a credentials file of a new user. */
  creds(rules: UserRules = {}): string {
    const user = new Signer('user');
    const jwt = this.#jwtOf(user, rules);
    return `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${user.seed}\n------END USER NKEY SEED------\n`;
  }

  #jwtOf(user: Signer, rules: UserRules): string {
    const expiry = rules.expiresInS === undefined ? {} : { exp: nowS() + rules.expiresInS };
    return encodeJwt(this.#account, user.publicKey, userClaims(rules), expiry);
  }
}

function userClaims({ publish, subscribe }: UserRules): Record<string, unknown> {
  const permissions = {
    ...(publish === undefined ? {} : { pub: { allow: publish } }),
    ...(subscribe === undefined ? {} : { sub: { allow: subscribe } }),
  };
  return { type: 'user', version: 2, ...UNLIMITED, ...permissions };
}

function nowS(): number {
  return Math.floor(Date.now() / 1_000);
}

/** A NATS JWT: claims signed with the issuer's key. */
export function encodeJwt(
  issuer: Signer,
  subject: string,
  nats: Record<string, unknown>,
  more: Record<string, unknown> = {},
): string {
  const iat = nowS();
  const claims = {
    ...{ jti: `test-${subject}-${iat}`, iat, iss: issuer.publicKey, name: 'test', sub: subject },
    ...more,
    nats,
  };
  const signed = [{ typ: 'JWT', alg: 'ed25519-nkey' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part), 'utf8').toString('base64url'))
    .join('.');
  return `${signed}.${issuer.sign(signed).toString('base64url')}`;
}
