import { describe, expect, test } from '@jest/globals';
import { systemClock } from '#library/clock.js';
import { readCommandLine } from '#library/cli/command-line.js';
import { proxiedServers } from '#library/cli/verify/proxied-servers.js';
import { makeEvent } from '#library/cli/verify/processes/user-handlers.js';
import { verifyCommand } from '#library/cli/verify/verify-command.js';

const surroundings = {
  terminal: { print: () => undefined, ask: () => Promise.resolve(undefined) },
  clock: systemClock,
  connected: () => Promise.resolve(0),
  connectedTo: () => Promise.resolve(0),
};

function prepare(...args: string[]): unknown {
  const { command, input } = readCommandLine(['verify', ...args], [verifyCommand]);
  return command?.prepare(input, surroundings);
}

describe('what is not understood is said before a server is asked', () => {
  test.each([
    [['--events', '99'], 'expected --events to be a number from 100 to 500000, found "99"'],
    [['--events', '100.5'], 'expected --events to be a whole number, found 100.5'],
    [['--seconds', '4'], 'from 5 to 3600'],
    [['--replicas', '1'], 'from 2 to 16'],
    [['--partitions', '3'], 'expected a power of two'],
    [['--partitions', '128'], 'from 1 to 64'],
    [['--copies', '2'], 'expected --copies to be 1, 3 or 5, found "2"'],
    [['--topic', 'a b'], 'expected'],
    [['--topic', 'orders_parked'], 'not to end in _positions or _parked'],
    [['--seed', 'x'], 'expected --seed to be a number'],
    [['orders'], 'expected at most 0 words after "verify"'],
  ])('%j', (args, text) => {
    expect(() => prepare(...args)).toThrow(text);
  });

  test('and what is understood is not', () => {
    expect(prepare('--seconds', '20', '--topic', 'orders', '--seed', '7')).toBeInstanceOf(Function);
    expect(prepare('--clean')).toBeInstanceOf(Function);
  });
});

describe('a proxy leads to', () => {
  test.each([
    ['nats://example.com', { host: 'example.com', port: 4_222 }],
    ['tls://example.com:5222', { host: 'example.com', port: 5_222 }],
    ['10.0.0.7:4333', { host: '10.0.0.7', port: 4_333 }],
    ['nats://[::1]:4222', { host: '::1', port: 4_222 }],
  ])('%s', (address, target) => {
    expect(proxiedServers([address])).toEqual([target]);
  });

  test.each(['wss://example.com', 'nats://', 'http://example.com'])('no %s', (address) => {
    expect(() => proxiedServers([address])).toThrow('to put a proxy before');
  });
});

test("what the user's file makes of an event is checked, and its errors are named", () => {
  const of = { aggregateId: 'verify-1', number: 1 };
  expect(makeEvent(undefined, of).type).toBe('Verified');
  expect(makeEvent(() => ({ type: 'Placed', payload: { lines: 3 } }), of).type).toBe('Placed');
  expect(() => makeEvent(() => undefined as never, of)).toThrow('found no type');
  expect(() =>
    makeEvent(() => {
      throw new Error('no lines');
    }, of),
  ).toThrow('throws: Error: no lines');
});
