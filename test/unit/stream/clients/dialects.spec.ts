import { errors } from '@nats-io/transport-node';
import { ErrorCode, NatsError } from 'nats';
import { describe, expect, test } from '@jest/globals';
import { dialectOf, DIALECTS } from '#library/stream/clients/dialects.js';
import type { NatsFailureCode } from '#library/stream/port/nats-failure.js';
import { hostileErrors } from '../../../support/hostile.js';

const { nats, 'nats-io': natsIo } = DIALECTS;
const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });

/** What happens, as each client says it. */
const SAME: readonly [NatsFailureCode, unknown, unknown][] = [
  ['NO_RESPONDERS', NatsError.errorForCode(ErrorCode.NoResponders), new errors.NoRespondersError('a')],
  [
    'NO_RESPONDERS',
    NatsError.errorForCode(ErrorCode.NoResponders),
    new errors.RequestError('no responders', { cause: new errors.NoRespondersError('a') }),
  ],
  ['TIMEOUT', NatsError.errorForCode(ErrorCode.Timeout), new errors.TimeoutError()],
  [
    'PERMISSIONS_VIOLATION',
    Object.assign(new NatsError('no', ErrorCode.PermissionsViolation), {
      permissionContext: { operation: 'publish', subject: 'a' },
    }),
    new errors.PermissionViolationError('no', 'publish', 'a'),
  ],
  [
    'AUTHORIZATION_VIOLATION',
    NatsError.errorForCode(ErrorCode.AuthorizationViolation),
    new errors.AuthorizationError('Authorization Violation'),
  ],
  [
    'AUTHENTICATION_EXPIRED',
    NatsError.errorForCode(ErrorCode.AuthenticationExpired),
    new errors.UserAuthenticationExpiredError('User Authentication Expired'),
  ],
  [
    'AUTHENTICATION_EXPIRED',
    NatsError.errorForCode(ErrorCode.AccountExpired),
    new errors.AuthorizationError('Account Authentication Expired'),
  ],
  [
    'CONNECTION_CLOSED',
    NatsError.errorForCode(ErrorCode.ConnectionClosed),
    new errors.ClosedConnectionError(),
  ],
  [
    'CONNECTION_DRAINING',
    NatsError.errorForCode(ErrorCode.ConnectionDraining),
    new errors.DrainingConnectionError(),
  ],
  [
    'CONNECTION_REFUSED',
    NatsError.errorForCode(ErrorCode.ConnectionRefused, refused),
    new errors.ConnectionError('connection refused', { cause: refused }),
  ],
  [
    'SERVER_OPTION_NA',
    new NatsError('tls', ErrorCode.ServerOptionNotAvailable),
    new errors.ConnectionError("server does not support 'tls'"),
  ],
  ['OTHER', new NatsError('x', ErrorCode.BadSubject), new errors.InvalidSubjectError('a b')],
  ['OTHER', refused, refused],
];

describe('both clients say the same with errors of their own', () => {
  test.each(SAME)('%s', (code, ofNats, ofNatsIo) => {
    const [one, other] = [nats.failureOf(ofNats), natsIo.failureOf(ofNatsIo)];
    expect([one.code, other.code]).toEqual([code, code]);
    expect([one.cause, other.cause]).toEqual([ofNats, ofNatsIo]);
    expect(one.denial).toEqual(other.denial);
    expect([one.message, other.message]).not.toContain('');
  });

  test('a class of another copy of the package is known too: only code and name count', () => {
    expect(nats.failureOf({ name: 'NatsError', code: '503', message: 'm' }).code).toBe('NO_RESPONDERS');
    expect(natsIo.failureOf({ name: 'TimeoutError', message: 'm' }).code).toBe('TIMEOUT');
    // Node's own error of that code is none of the client's.
    expect(nats.failureOf(Object.assign(new Error('m'), { code: 'TIMEOUT' })).code).toBe('OTHER');
  });

  test('every error class of nats-core is placed', () => {
    const known = Object.keys(errors).filter((name) => name.endsWith('Error'));
    expect(known.sort()).toEqual([
      ...['AuthorizationError', 'ClosedConnectionError', 'ConnectionError', 'DrainingConnectionError'],
      ...['InvalidArgumentError', 'InvalidOperationError', 'InvalidSubjectError', 'NoRespondersError'],
      ...['PermissionViolationError', 'ProtocolError', 'RequestError', 'TimeoutError'],
      'UserAuthenticationExpiredError',
    ]);
  });

  test.each([nats, natsIo])('$client reads any value without throwing', (dialect) => {
    expect(dialect.statusOf({})).toBeUndefined();
    for (const error of [...hostileErrors(), undefined, null, 1, 'text', {}]) {
      expect(dialect.failureOf(error).code).toBe('OTHER');
    }
  });
});

describe('both clients tell the same of a connection', () => {
  const permissionContext = { operation: 'publish', subject: 'a', queue: undefined };
  test.each([
    [
      { kind: 'disconnected', server: 'a:1' },
      { type: 'disconnect', data: 'a:1' },
      { type: 'disconnect', server: 'a:1' },
    ],
    [
      { kind: 'reconnected', server: 'a:1' },
      { type: 'reconnect', data: 'a:1' },
      { type: 'reconnect', server: 'a:1' },
    ],
    [
      { kind: 'denied', denial: { operation: 'publish', subject: 'a' } },
      { type: 'error', data: 'PERMISSIONS_VIOLATION', permissionContext },
      { type: 'error', error: new errors.PermissionViolationError('no', 'publish', 'a') },
    ],
    [
      { kind: 'error', description: 'AUTHORIZATION_VIOLATION' },
      { type: 'error', data: 'AUTHORIZATION_VIOLATION' },
      { type: 'error', error: new errors.AuthorizationError('Authorization Violation') },
    ],
    [undefined, { type: 'pingTimer', data: '1' }, { type: 'ping', pendingPings: 1 }],
    [undefined, { type: 'staleConnection', data: '' }, { type: 'staleConnection' }],
    [undefined, { type: 'update', data: {} }, { type: 'close' }],
  ])('%j', (expected, ofNats, ofNatsIo) => {
    expect([nats.statusOf(ofNats), natsIo.statusOf(ofNatsIo)]).toEqual([expected, expected]);
  });

  test('a connection is of the client whose form it has', () => {
    expect(dialectOf({ jetstream: () => undefined }).client).toBe('nats');
    expect(dialectOf({}).client).toBe('nats-io');
  });
});
