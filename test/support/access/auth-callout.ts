import { connect, type NatsConnection } from 'nats';
import { encodeJwt } from './operator.js';
import { Signer } from './signer.js';

/** The subject at which a server asks who a user is. */
const QUESTIONS = '$SYS.REQ.USER.AUTH';

interface Question {
  readonly nats: {
    readonly user_nkey: string;
    readonly server_id: { readonly id: string };
    readonly connect_opts: { readonly user?: string; readonly pass?: string };
  };
}

/** Answers a server that asks for each user whether it may connect (auth callout, ADR-26). */
export class AuthCallout {
  readonly #issuer = new Signer('account');
  #connection: NatsConnection | undefined;
  /** The password it takes now, of every user. */
  password = 'one';

  /** For the configuration of a server; users land in account APP, which has JetStream. */
  config(): string {
    return `
      accounts {
        AUTH: { users: [ { user: responder, password: responder } ] }
        APP: { jetstream: enabled }
      }
      authorization {
        auth_callout { issuer: ${this.#issuer.publicKey}, auth_users: [ responder ], account: AUTH }
      }`;
  }

  async answer(servers: string): Promise<void> {
    this.#connection = await connect({ servers, user: 'responder', pass: 'responder' });
    this.#connection.subscribe(QUESTIONS, {
      callback: (error, message) => {
        if (error === null) message.respond(this.#answerTo(message.string()));
      },
    });
    await this.#connection.flush();
  }

  async stop(): Promise<void> {
    await this.#connection?.close();
  }

  #answerTo(jwt: string): string {
    const [, claims = ''] = jwt.split('.');
    const { nats } = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as Question;
    const { user_nkey: user, server_id: server, connect_opts: given } = nats;
    const limits = { subs: -1, data: -1, payload: -1 };
    const verdict =
      given.pass === this.password
        ? { jwt: encodeJwt(this.#issuer, user, { type: 'user', version: 2, ...limits }, { aud: 'APP' }) }
        : { error: 'unknown user' };
    const answer = { type: 'authorization_response', version: 2, ...verdict };
    return encodeJwt(this.#issuer, user, answer, { aud: server.id });
  }
}
