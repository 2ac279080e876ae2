import { expect, test } from '@jest/globals';
import { nearRetention } from '#library/observe/retention.js';
import type { StreamRoom } from '#library/records/group-on-server.js';

const NOW = 1_000_000;
const UNLIMITED: StreamRoom = {
  ...{ lastSequence: 100, messages: 100, bytes: 10_000 },
  ...{ maxMessages: undefined, maxBytes: undefined, maxAgeMs: undefined },
};

function near(room: Partial<StreamRoom>, sequence: number, storedAt = NOW): string | undefined {
  return nearRetention({ ...UNLIMITED, ...room }, { sequence, storedAt }, NOW);
}

test('an event is near its end when more than four fifths of the limit of messages are stored since it', () => {
  expect(near({ maxMessages: 100 }, 21)).toBeUndefined();
  expect(near({ maxMessages: 100 }, 20)).toBe('81 of at most 100 events (max_msgs) are stored since it');
});

test('missing sequences count no further than the stream has messages', () => {
  expect(near({ maxMessages: 100, messages: 80 }, 1)).toBeUndefined();
  expect(near({ maxMessages: 100, messages: 95, lastSequence: 5_000 }, 1)).toMatch(/^95 of/);
});

test('bytes are estimated by the mean size', () => {
  expect(near({ maxBytes: 10_000 }, 21)).toBeUndefined();
  expect(near({ maxBytes: 10_000 }, 20)).toBe(
    'about 8100 of at most 10000 bytes (max_bytes) are stored since it',
  );
});

test('an event is near its end when it has more than four fifths of the age at which it is dropped', () => {
  expect(near({ maxAgeMs: 1_000 }, 100, NOW - 800)).toBeUndefined();
  expect(near({ maxAgeMs: 1_000 }, 100, NOW - 801)).toBe('it is 801 ms old, of at most 1000 ms (max_age)');
});

test('nothing is near the end of a stream without limits', () => {
  expect(near({}, 1, 0)).toBeUndefined();
});
