import { CodedError } from '../../errors.js';

/** Why a client did not do what it was asked for: the same few reasons for every client. */
export type NatsFailureCode =
  /** Nothing hears the subject. */
  | 'NO_RESPONDERS'
  /** No answer came in time. */
  | 'TIMEOUT'
  /** The user may not publish or subscribe there. */
  | 'PERMISSIONS_VIOLATION'
  /** The server does not take these credentials. */
  | 'AUTHORIZATION_VIOLATION'
  /** The credentials are no longer valid. */
  | 'AUTHENTICATION_EXPIRED'
  /** The client has closed the connection for good. */
  | 'CONNECTION_CLOSED'
  /** The connection's owner drains it. */
  | 'CONNECTION_DRAINING'
  /** No server listens there. */
  | 'CONNECTION_REFUSED'
  /** The server does not offer what an option asks for. */
  | 'SERVER_OPTION_NA'
  /** The client's text says why. */
  | 'OTHER';

/** A permission the server refused. */
export interface Denial {
  /** `publish` or `subscription`. */
  readonly operation: string;
  readonly subject: string;
}

/** What a client threw or rejected with; `cause` is its own error, if it made one. */
export class NatsFailure extends CodedError<NatsFailureCode> {
  override readonly name = 'NatsFailure';

  constructor(
    code: NatsFailureCode,
    message: string,
    { denial, cause }: { readonly denial?: Denial | undefined; readonly cause?: unknown } = {},
  ) {
    super(code, message, cause === undefined ? undefined : { cause });
    this.denial = denial;
  }

  /** What the server refused, where it said so. */
  readonly denial: Denial | undefined;
}
