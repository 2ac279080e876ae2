import { describeError } from '../../errors.js';
import { NatsFailure, type NatsFailureCode } from '../port/nats-failure.js';
import type { PortStatus } from '../port/nats-port.js';
import { type Codes, denialOf, type Dialect, errorStatusOf, guarded, partsOf, textOf } from './dialect.js';

/** The names of this client's error classes, each of which has one. */
const NAMES: Codes = {
  NoResponders: 'NO_RESPONDERS',
  NoRespondersError: 'NO_RESPONDERS',
  TimeoutError: 'TIMEOUT',
  PermissionViolationError: 'PERMISSIONS_VIOLATION',
  AuthorizationError: 'AUTHORIZATION_VIOLATION',
  UserAuthenticationExpiredError: 'AUTHENTICATION_EXPIRED',
  ClosedConnectionError: 'CONNECTION_CLOSED',
  DrainingConnectionError: 'CONNECTION_DRAINING',
};
/** An expired account is told with the class of wrong credentials. */
const EXPIRED = /expired/i;
const NO_OPTION = /^server does not support/;

function read(error: unknown): NatsFailure {
  const { message, cause } = partsOf(error);
  const found = codeOf(error) ?? codeOf(cause) ?? 'OTHER';
  const said = found === 'OTHER' ? describeError(error) : textOf(partsOf(cause).message) || textOf(message);
  const denial = denialOf(error) ?? denialOf(cause);
  return new NatsFailure(found, said, { denial, cause: error });
}

/** An error of a request has the reason as its cause. */
function codeOf(error: unknown): NatsFailureCode | undefined {
  const { name, message, cause } = partsOf(error);
  const text = textOf(message);
  if (name === 'ConnectionError') {
    if (partsOf(cause).code === 'ECONNREFUSED' || text === 'connection refused') return 'CONNECTION_REFUSED';
    return NO_OPTION.test(text) ? 'SERVER_OPTION_NA' : undefined;
  }
  const code = NAMES[textOf(name)];
  return code === 'AUTHORIZATION_VIOLATION' && EXPIRED.test(text) ? 'AUTHENTICATION_EXPIRED' : code;
}

function statusOf(status: object): PortStatus | undefined {
  const { type, server, error } = partsOf(status);
  switch (type) {
    case 'disconnect':
      return { kind: 'disconnected', server: textOf(server) };
    case 'reconnect':
      return { kind: 'reconnected', server: textOf(server) };
    case 'error': {
      const { code, message, denial } = read(error);
      return errorStatusOf(denial, code === 'OTHER' ? message : code);
    }
    default:
      return undefined;
  }
}

/** nats-core 3.x, under `@nats-io/transport-node` and under `wsconnect`. */
export const natsIoDialect: Dialect = { client: 'nats-io', failureOf: guarded(read), statusOf };
