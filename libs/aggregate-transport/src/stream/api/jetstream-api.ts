import { AggregateTransportError, describeError } from '../../errors.js';
import { type Connection, describeDenial } from '../connection/connection.js';
import { NatsFailure } from '../port/nats-failure.js';

/** The error codes of nats-server (errors.json) that we act on. */
export const API_ERROR = {
  streamNotFound: 10059,
  messageNotFound: 10037,
  streamNameInUse: 10058,
  tooManyConsumers: 10026,
  consumerNameInUse: 10013,
  consumerExists: 10148,
  jetStreamNotEnabledForAccount: 10039,
  jetStreamUnavailable: 10008,
  jetStreamNotEnabled: 10076,
} as const;

const AWAY: ReadonlySet<number> = new Set([
  API_ERROR.jetStreamUnavailable,
  API_ERROR.jetStreamNotEnabled,
  API_ERROR.jetStreamNotEnabledForAccount,
]);

/** The JetStream API answered with an error. */
export class JetStreamApiError extends AggregateTransportError {
  constructor(
    subject: string,
    /** nats-server's own number, 0 if it gave none. */
    readonly errorCode: number,
    readonly description: string,
  ) {
    super(
      'JETSTREAM_REQUEST_FAILED',
      `expected an answer to ${subject}, found error ${errorCode}: ${description}; ` +
        "correct what it names, or ask the server's operator",
    );
  }
}

type Answer<T> = { error?: { err_code?: number; description?: string } } & T;

const REQUEST_TIMEOUT_MS = 2_000;

/** Requests to the JetStream API as plain JSON: every field of every server version, none filtered by a client. */
export class JetStreamApi {
  constructor(private readonly connection: Connection) {}

  /** The full subject of an API call. */
  subjectOf(call: string): string {
    return this.connection.jetStream.api + call;
  }

  /** Sends a call without waiting for its answer. Sends nothing while disconnected. */
  send(call: string): void {
    if (this.connection.connected) this.connection.publish(this.subjectOf(call));
  }

  /**
   * @throws JetStreamApiError if the server refuses
   * @throws JETSTREAM_UNAVAILABLE if the account has none
   * @throws JETSTREAM_REQUEST_FAILED if it does not answer within `timeoutMs`
   */
  async request<T>(call: string, body?: unknown, timeoutMs = REQUEST_TIMEOUT_MS): Promise<T> {
    const subject = this.subjectOf(call);
    const payload = body === undefined ? '' : JSON.stringify(body);
    let answer: Answer<T>;
    try {
      const message = await this.connection.nats.request(subject, payload, { timeoutMs });
      answer = message.json() as Answer<T>;
    } catch (cause) {
      throw new AggregateTransportError(
        'JETSTREAM_REQUEST_FAILED',
        `expected an answer to ${subject} within ${timeoutMs} ms, found ${explain(cause)}; ` +
          remedyOf(this.connection.jetStream.option),
        { cause },
      );
    }
    if (!isAway(answer.error)) this.connection.noteAnswer();
    if (answer.error !== undefined) {
      const { err_code: errorCode = 0, description = 'no description' } = answer.error;
      if (errorCode === API_ERROR.jetStreamNotEnabledForAccount) {
        throw new AggregateTransportError(
          'JETSTREAM_UNAVAILABLE',
          `expected JetStream in the user's account, found "${description}"; enable it for the account`,
        );
      }
      throw new JetStreamApiError(subject, errorCode, description);
    }
    return answer;
  }

  /** As {@link request}, but an error with this code is an ordinary answer: undefined. */
  async find<T>(
    call: string,
    body: unknown,
    missing: number,
    timeoutMs = REQUEST_TIMEOUT_MS,
  ): Promise<T | undefined> {
    try {
      return await this.request<T>(call, body, timeoutMs);
    } catch (error) {
      if (error instanceof JetStreamApiError && error.errorCode === missing) return undefined;
      throw error;
    }
  }
}

function remedyOf(option: 'domain' | 'apiPrefix' | undefined): string {
  const usual = 'check that JetStream runs and that the user may publish to this subject and hear the answer';
  if (option === undefined) return usual;
  const way =
    option === 'domain'
      ? 'the leaf node reaches that domain'
      : 'this account imports the API under that prefix';
  return `check jetstream.${option} and that ${way}; then ${usual}`;
}

/** True for an error that says that JetStream itself does not work, whichever stream was asked for. Pure. */
function isAway(error: { readonly err_code?: number } | undefined): boolean {
  return error?.err_code !== undefined && AWAY.has(error.err_code);
}

/** True for a request that failed for want of a permission. */
export function isDenied(error: unknown): boolean {
  const { cause } = error instanceof AggregateTransportError ? error : {};
  return cause instanceof NatsFailure && cause.code === 'PERMISSIONS_VIOLATION';
}

/** Why a request to the server failed, in words. */
export function explain(cause: unknown): string {
  if (!(cause instanceof NatsFailure)) return describeError(cause);
  switch (cause.code) {
    case 'NO_RESPONDERS':
      return 'no server that answers: JetStream is off for this account, or has no leader';
    case 'PERMISSIONS_VIOLATION':
      return cause.denial === undefined ? 'that the user lacks a permission' : describeDenial(cause.denial);
    case 'CONNECTION_CLOSED':
      return 'a connection that is closed for good';
    case 'TIMEOUT':
    case 'AUTHORIZATION_VIOLATION':
    case 'AUTHENTICATION_EXPIRED':
    case 'CONNECTION_DRAINING':
    case 'CONNECTION_REFUSED':
    case 'SERVER_OPTION_NA':
    case 'OTHER':
      return `${cause.code}: ${cause.message}`;
  }
}
