import { expect, test } from '@jest/globals';
import { describeServers, withCredentialsOfAddresses } from '#library/stream/connection/server-address.js';

test.each([
  ['nats://host:4222', { servers: 'nats://host:4222' }],
  ['nats://u:p@host:4222', { servers: ['nats://host:4222'], user: 'u', pass: 'p' }],
  ['u:p@host', { servers: ['host'], user: 'u', pass: 'p' }],
  ['tls://u:a@b:c@host:4222', { servers: ['tls://host:4222'], user: 'u', pass: 'a@b:c' }],
  ['nats://u%40x:p%2Fq@host', { servers: ['nats://host'], user: 'u@x', pass: 'p/q' }],
  ['nats://u:@[::1]:4222', { servers: ['nats://[::1]:4222'], user: 'u', pass: '' }],
  ['nats://s3cr3t@host', { servers: ['nats://host'], token: 's3cr3t' }],
])('moves the credentials of %s into the options', (servers, options) => {
  expect(withCredentialsOfAddresses({ servers })).toEqual(options);
});

test('takes the credentials of some addresses for all', () => {
  const servers = ['nats://u:p@one', 'nats://two', 'nats://u:p@three'];
  expect(withCredentialsOfAddresses({ servers, name: 'n' })).toEqual({
    ...{ servers: ['nats://one', 'nats://two', 'nats://three'], name: 'n', user: 'u', pass: 'p' },
  });
});

test('takes the same credentials from both places', () => {
  const options = { servers: 'nats://u:p@one', user: 'u', pass: 'p' };
  expect(withCredentialsOfAddresses(options)).toEqual({ servers: ['nats://one'], user: 'u', pass: 'p' });
});

test.each([
  ['two addresses', { servers: ['nats://u:secret@one', 'nats://v:secret@two'] }],
  ['an address and a user', { servers: 'nats://u:secret@one', user: 'v', pass: 'secret' }],
  ['an address and a token', { servers: 'nats://u:secret@one', token: 'secret' }],
  ['an address and an authenticator', { servers: 'nats://u:secret@one', authenticator: () => undefined }],
  ['an address that cannot be decoded', { servers: 'nats://u:secret%@one' }],
])('refuses different or unreadable credentials by name, and never tells them: %s', (_what, options) => {
  const resolving = (): unknown => withCredentialsOfAddresses(options);
  expect(resolving).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }));
  expect(resolving).not.toThrow(/secret/);
});

test('describes servers without credentials', () => {
  expect(describeServers({ servers: ['nats://u:p@x@one:1', 'two'] })).toBe('nats://one:1, two');
  expect(describeServers({})).toBe('127.0.0.1:4222');
});
