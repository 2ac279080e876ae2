import { describeError } from '../../errors.js';
import { NatsFailure } from '../port/nats-failure.js';
import type { PortStatus } from '../port/nats-port.js';
import { type Codes, denialOf, type Dialect, errorStatusOf, guarded, partsOf, textOf } from './dialect.js';

/** The codes of the one error class that this client has. */
const CODES: Codes = {
  '503': 'NO_RESPONDERS',
  TIMEOUT: 'TIMEOUT',
  CONNECTION_TIMEOUT: 'TIMEOUT',
  PERMISSIONS_VIOLATION: 'PERMISSIONS_VIOLATION',
  AUTHORIZATION_VIOLATION: 'AUTHORIZATION_VIOLATION',
  AUTHENTICATION_EXPIRED: 'AUTHENTICATION_EXPIRED',
  ACCOUNT_EXPIRED: 'AUTHENTICATION_EXPIRED',
  CONNECTION_CLOSED: 'CONNECTION_CLOSED',
  CONNECTION_DRAINING: 'CONNECTION_DRAINING',
  CONNECTION_REFUSED: 'CONNECTION_REFUSED',
  SERVER_OPT_NA: 'SERVER_OPTION_NA',
};

function read(error: unknown): NatsFailure {
  const { name, code, chainedError, permissionContext, message } = partsOf(error);
  // Errors of Node have codes of their own.
  const known = name === 'NatsError' && typeof code === 'string' ? code : '';
  const found = CODES[known] ?? 'OTHER';
  const text = textOf(partsOf(chainedError).message) || textOf(message);
  const said = found === 'OTHER' ? (known === '' ? describeError(error) : `${known}: ${text}`) : text;
  return new NatsFailure(found, said, { denial: denialOf(permissionContext), cause: error });
}

function statusOf(status: object): PortStatus | undefined {
  const { type, data, permissionContext } = partsOf(status);
  switch (type) {
    case 'disconnect':
      return { kind: 'disconnected', server: textOf(data) };
    case 'reconnect':
      return { kind: 'reconnected', server: textOf(data) };
    case 'error':
      return errorStatusOf(denialOf(permissionContext), textOf(data));
    default:
      return undefined;
  }
}

/** `nats` 2.x. */
export const natsDialect: Dialect = { client: 'nats', failureOf: guarded(read), statusOf };
