import { getEventListeners } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { SequenceConflictError } from '#library/publisher/publish-errors.js';
import type { Sequencer } from '#library/publisher/sequencer.js';
import {
  type Call,
  callOn,
  eventOf,
  fixture,
  refused,
  stored,
  unavailable,
  wrongSequence,
} from './fake-publish-port.js';

describe('one event per aggregate is on the wire', () => {
  test('sends n+1 only when n is stored', async () => {
    const { clock, port, publish } = fixture();
    const calls = [publish('a', 1), publish('a', 2), publish('a', 3)];
    await clock.settle();
    expect(port.sentIds).toEqual(['a:1']);
    port.answer('a:1', stored(10));
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
    port.answer('a:2', stored(11));
    port.answer('a:3', stored(12));
    await clock.settle();
    expect(calls.map(({ receipt }) => receipt)).toEqual([
      { topic: 'orders', sequence: 10, duplicate: false },
      { topic: 'orders', sequence: 11, duplicate: false },
      { topic: 'orders', sequence: 12, duplicate: false },
    ]);
  });

  test('sends the events of different aggregates side by side', () => {
    const { port, publish } = fixture();
    publish('a', 1);
    publish('b', 1);
    publish('a', 2);
    expect(port.sentIds).toEqual(['a:1', 'b:1']);
  });

  test('sends at most maxInFlight events; a free place goes to the aggregate that has waited longest', () => {
    const { port, publish } = fixture({ maxInFlight: 2 });
    for (const token of ['a', 'b', 'c', 'd']) publish(token, 1);
    expect(port.sentIds).toEqual(['a:1', 'b:1']);
    publish('a', 2);
    port.answer('a:1', stored(1));
    expect(port.sentIds).toEqual(['a:1', 'b:1', 'c:1']);
    port.answer('c:1', stored(2));
    port.answer('d:1', stored(3));
    expect(port.sentIds).toEqual(['a:1', 'b:1', 'c:1', 'd:1', 'a:2']);
  });

  test('ignores an answer that comes twice, and one with an unknown id', async () => {
    const { clock, port, sequencer, publish } = fixture();
    publish('a', 1);
    const first = port.sent[0]!.id;
    const second = publish('a', 2);
    port.listener.answered(first, stored(1));
    port.listener.answered(first, stored(1));
    port.listener.answered(first, refused);
    port.listener.answered(4_711, stored(9));
    await clock.settle();
    expect(second.outcome).toBe('open');
    expect(sequencer.published).toBe(1);
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
  });
});

describe('an event whose outcome is open is sent again under the same id', () => {
  test('sends nothing while disconnected, and only the heads immediately after the reconnect', async () => {
    const { clock, port, publish } = fixture();
    publish('a', 1);
    publish('a', 2);
    port.disconnect();
    publish('b', 1);
    await clock.advance(20_000);
    expect(port.sentIds).toEqual(['a:1']);
    port.reconnect();
    expect(port.sentIds).toEqual(['a:1', 'a:1', 'b:1']);
    expect(port.sent[0]!.id).toBe(port.sent[1]!.id);
  });

  test('sends after the first connect if it starts disconnected', async () => {
    const { clock, port, publish } = fixture();
    port.disconnect();
    const call = publish('a', 1);
    await clock.advance(300_000);
    expect(call.outcome).toBe('open');
    expect(port.sent).toEqual([]);
    port.reconnect();
    port.answer('a:1', stored(1));
    await clock.settle();
    expect(call.outcome).toBe('stored');
  });

  test('sends it again every 2 s without an answer', async () => {
    const { clock, port, publish } = fixture();
    publish('a', 1);
    await clock.advance(1_900);
    expect(port.sent).toHaveLength(1);
    await clock.advance(100);
    expect(port.sentIds).toEqual(['a:1', 'a:1']);
    await clock.advance(2_000);
    expect(port.sentIds).toEqual(['a:1', 'a:1', 'a:1']);
    port.answer('a:1', stored(1));
    await clock.advance(10_000);
    expect(port.sent).toHaveLength(3);
  });

  test('accepts the answer to an earlier copy', async () => {
    const { clock, port, publish } = fixture();
    const call = publish('a', 1);
    const { id } = port.sent[0]!;
    await clock.advance(2_000);
    port.listener.answered(id, stored(5));
    await clock.settle();
    expect(call.receipt?.sequence).toBe(5);
  });

  test('sends it again soon after the answer "unavailable", without a hole', async () => {
    const { clock, port, publish } = fixture();
    const call = publish('a', 1);
    publish('a', 2);
    for (let round = 0; round < 5; round++) {
      port.answer('a:1', unavailable);
      await clock.advance(200);
    }
    expect(new Set(port.sentIds)).toEqual(new Set(['a:1']));
    expect(port.sent.length).toBeGreaterThanOrEqual(5);
    port.answer('a:1', stored(1));
    await clock.settle();
    expect(call.outcome).toBe('stored');
    expect(port.sentIds.at(-1)).toBe('a:2');
  });

  test('reports a duplicate only if the stream held the event before this call sent it', async () => {
    const { clock, port, publish } = fixture();
    const once = publish('a', 1);
    port.answer('a:1', stored(1, true));
    const twice = publish('b', 1);
    await clock.advance(2_000);
    port.answer('b:1', stored(2, true));
    await clock.settle();
    expect(once.receipt?.duplicate).toBe(true);
    expect(twice.receipt?.duplicate).toBe(false);
  });

  test('sends no copy when the stream may have forgotten the id, not even after a reconnect', async () => {
    const { clock, port, publish } = fixture({ giveUpAfterMs: 60_000, duplicateWindowMs: 120_000 });
    publish('a', 1);
    port.findStoredResult = () => Promise.resolve(1);
    port.disconnect();
    await clock.advance(180_000);
    port.reconnect();
    await clock.advance(1_000);
    expect(port.sentIds).toEqual(['a:1']);
    expect(port.lookups).toHaveLength(1);
  });
});

describe('a definite refusal', () => {
  test("rejects the event with the server's reason, and the events queued after it without sending them", async () => {
    const { clock, port, sequencer, publish } = fixture();
    const calls = [publish('a', 1), publish('a', 2), publish('a', 3)];
    const other = publish('b', 1);
    port.answer('a:1', refused);
    port.answer('b:1', stored(1));
    await clock.advance(5_000);
    expect(calls.map(({ outcome }) => outcome)).toEqual([
      'PUBLISH_REJECTED',
      'PREDECESSOR_REJECTED',
      'PREDECESSOR_REJECTED',
    ]);
    expect(calls[0]!.error!.message).toContain('10054: message size exceeds maximum allowed');
    expect(calls[1]!.error!.cause).toBe(calls[0]!.error);
    expect(other.outcome).toBe('stored');
    expect(port.sentIds).toEqual(['a:1', 'b:1']);
    expect(sequencer.pending).toBe(0);
  });

  test('leaves the aggregate open for later calls', async () => {
    const { clock, port, publish } = fixture();
    publish('a', 1);
    port.answer('a:1', refused);
    const next = publish('a', 2);
    port.answer('a:2', stored(1));
    await clock.settle();
    expect(next.outcome).toBe('stored');
  });

  test('is looked up if the event was sent twice; a stored event resolves', async () => {
    const { clock, port, publish } = fixture();
    port.findStoredResult = () => Promise.resolve(41);
    const call = publish('a', 1);
    const next = publish('a', 2);
    await clock.advance(2_000);
    port.answer('a:1', refused);
    expect(port.lookups).toEqual([{ messageId: 'a:1', afterSequence: undefined }]);
    expect(port.sentIds).not.toContain('a:2');
    await clock.settle();
    expect(call.receipt).toEqual({ topic: 'orders', sequence: 41, duplicate: false });
    expect(next.outcome).toBe('open');
    expect(port.sentIds.at(-1)).toBe('a:2');
  });

  test('is believed if the event was sent twice and is not stored', async () => {
    const { clock, port, publish } = fixture();
    const call = publish('a', 1);
    const next = publish('a', 2);
    await clock.advance(2_000);
    port.answer('a:1', refused);
    await clock.settle();
    expect([call.outcome, next.outcome]).toEqual(['PUBLISH_REJECTED', 'PREDECESSOR_REJECTED']);
  });

  test('leaves the outcome open if it cannot be looked up: the event is sent again', async () => {
    const { clock, port, publish, warnings } = fixture();
    port.findStoredResult = () => Promise.reject(new Error('no answer'));
    const call = publish('a', 1);
    await clock.advance(2_000);
    port.answer('a:1', refused);
    await clock.settle();
    expect(call.outcome).toBe('open');
    expect(warnings).toHaveLength(1);
    await clock.advance(2_000);
    expect(port.sentIds).toEqual(['a:1', 'a:1', 'a:1']);
    port.answer('a:1', stored(3));
    await clock.settle();
    expect(call.outcome).toBe('stored');
  });

  test('ignores answers that arrive during the look-up', async () => {
    const { clock, port, publish } = fixture();
    let tell: (sequence: number | undefined) => void = () => undefined;
    port.findStoredResult = () => new Promise((resolve) => (tell = resolve));
    const call = publish('a', 1);
    await clock.advance(2_000);
    port.answer('a:1', refused);
    port.answer('a:1', refused);
    port.reconnect();
    await clock.advance(5_000);
    expect(port.lookups).toHaveLength(1);
    expect(port.sent).toHaveLength(2);
    tell(8);
    await clock.settle();
    expect(call.receipt?.sequence).toBe(8);
  });
});

describe('expectedSequence', () => {
  test('rejects with the actual sequence if it is wrong, and rejects the events queued after it', async () => {
    const { clock, port, publish } = fixture();
    port.lastSequenceResult = () => Promise.resolve(7);
    const call = publish('a', 1, { expected: 3 });
    const next = publish('a', 2);
    port.answer('a:1', wrongSequence);
    await clock.settle();
    expect(call.outcome).toBe('SEQUENCE_CONFLICT');
    expect(call.error).toBeInstanceOf(SequenceConflictError);
    expect(call.error).toMatchObject({ expectedSequence: 3, actualSequence: 7 });
    expect(next.outcome).toBe('PREDECESSOR_REJECTED');
    expect(port.lookups).toEqual([{ messageId: 'a:1', afterSequence: 3 }]);
  });

  test('resolves if an earlier call, perhaps of a killed process, stored the same event', async () => {
    const { clock, port, publish } = fixture();
    port.findStoredResult = () => Promise.resolve(4);
    const call = publish('a', 1, { expected: 3 });
    port.answer('a:1', wrongSequence);
    await clock.settle();
    expect(call.receipt).toMatchObject({ sequence: 4, duplicate: true });
  });

  test("resolves if the refusal is about the event's own first copy", async () => {
    const { clock, port, publish } = fixture();
    port.findStoredResult = () => Promise.resolve(4);
    const call = publish('a', 1, { expected: 3 });
    await clock.advance(2_000);
    port.answer('a:1', wrongSequence);
    await clock.settle();
    expect(port.lookups).toEqual([{ messageId: 'a:1', afterSequence: 3 }]);
    expect(call.receipt?.sequence).toBe(4);
  });

  test('sends the event again if nothing is stored after the expected sequence', async () => {
    const { clock, port, publish } = fixture();
    port.lastSequenceResult = () => Promise.resolve(3);
    const call = publish('a', 1, { expected: 3 });
    port.answer('a:1', wrongSequence);
    await clock.settle();
    expect(call.outcome).toBe('open');
    await clock.advance(200);
    expect(port.sentIds).toEqual(['a:1', 'a:1']);
    port.answer('a:1', stored(4));
    await clock.settle();
    expect(call.receipt?.sequence).toBe(4);
  });

  test('says SEQUENCE_UNKNOWN, not a conflict, if the stream has dropped the expected event and holds none', async () => {
    const { clock, port, publish } = fixture();
    port.hasDroppedResult = () => Promise.resolve(true);
    const call = publish('a', 1, { expected: 3 });
    const next = publish('a', 2);
    port.answer('a:1', wrongSequence);
    await clock.settle();
    expect(call.error).toMatchObject({
      code: 'SEQUENCE_UNKNOWN',
      message: expect.stringMatching(/expected 3 .*, found 0, but the aggregate's events were dropped/),
    });
    expect(next.outcome).toBe('PREDECESSOR_REJECTED');
    // The aggregate is open: its next chain begins at 0.
    const again = publish('a', 1, { expected: 0 });
    port.answer('a:1', stored(9));
    await clock.settle();
    expect(again.receipt?.sequence).toBe(9);
  });

  test('stays a conflict if the aggregate has another event, or never had the expected one', async () => {
    for (const [actual, dropped] of [
      [7, true],
      [0, false],
    ] as const) {
      const { clock, port, publish } = fixture();
      port.lastSequenceResult = () => Promise.resolve(actual);
      port.hasDroppedResult = () => Promise.resolve(dropped);
      const call = publish('a', 1, { expected: 3 });
      port.answer('a:1', wrongSequence);
      await clock.settle();
      expect(call.error).toMatchObject({ code: 'SEQUENCE_CONFLICT', actualSequence: actual });
    }
  });

  test('sends the event again if nothing tells whether the expected one was dropped', async () => {
    const { clock, port, publish } = fixture();
    port.hasDroppedResult = () => Promise.reject(new Error('no answer'));
    const call = publish('a', 1, { expected: 3 });
    port.answer('a:1', wrongSequence);
    await clock.settle();
    expect(call.outcome).toBe('open');
    port.hasDroppedResult = () => Promise.resolve(true);
    await clock.advance(2_000);
    port.answer('a:1', wrongSequence);
    await clock.settle();
    expect(call.outcome).toBe('SEQUENCE_UNKNOWN');
  });

  describe('of an event that follows another one of its list', () => {
    const chained = (sequencer: Sequencer, count: number, expected = 3): Call[] => {
      let before = eventOf('a', 1, expected);
      const calls = [callOn(sequencer, before)];
      for (let n = 2; n <= count; n++) {
        before = { ...eventOf('a', n), headers: Buffer.from('NATS/1.0\r\n\r\n'), follows: before };
        calls.push(callOn(sequencer, before));
      }
      return calls;
    };

    test('is the sequence of that one, told when it is stored', async () => {
      const { clock, port, sequencer } = fixture();
      const calls = chained(sequencer, 3);
      for (const sequence of [4, 9, 11]) {
        port.answer(`a:${port.sent.length}`, stored(sequence));
        await clock.settle();
      }
      expect(port.sent.map(({ event }) => event.expectedSequence)).toEqual([3, 4, 9]);
      expect(port.sent.slice(1).map(({ event }) => Buffer.from(event.headers).toString())).toEqual([
        'NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 4\r\n\r\n',
        'NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 9\r\n\r\n',
      ]);
      expect(calls.map(({ receipt }) => receipt?.sequence)).toEqual([4, 9, 11]);
    });

    test('fails with the one before it, and nothing of the chain is stored after a wrong first', async () => {
      const { clock, port, sequencer } = fixture();
      port.lastSequenceResult = () => Promise.resolve(7);
      const calls = chained(sequencer, 3);
      port.answer('a:1', wrongSequence);
      await clock.settle();
      expect(calls.map(({ outcome }) => outcome)).toEqual([
        'SEQUENCE_CONFLICT',
        'PREDECESSOR_REJECTED',
        'PREDECESSOR_REJECTED',
      ]);
      expect(port.sentIds).toEqual(['a:1']);
    });

    test('is refused if the one before it was not accepted', async () => {
      const { clock, port, sequencer } = fixture();
      const gone = eventOf('a', 1, 3);
      const call = callOn(sequencer, { ...eventOf('a', 2), follows: gone });
      await clock.settle();
      expect(call.outcome).toBe('PREDECESSOR_REJECTED');
      expect(port.sentIds).toEqual([]);
    });
  });

  test('sends the event again if the actual sequence cannot be read', async () => {
    const { clock, port, publish } = fixture();
    port.lastSequenceResult = () => Promise.reject(new Error('no answer'));
    const call = publish('a', 1, { expected: 3 });
    port.answer('a:1', wrongSequence);
    await clock.settle();
    expect(call.outcome).toBe('open');
    port.lastSequenceResult = () => Promise.resolve(5);
    await clock.advance(2_000);
    port.answer('a:1', wrongSequence);
    await clock.settle();
    expect(call.error).toMatchObject({ code: 'SEQUENCE_CONFLICT', actualSequence: 5 });
  });
});

describe('what fails is heard by those whose events are not queued yet', () => {
  const heardBy = (options: Parameters<typeof fixture>[0] = {}) => {
    const heard: string[] = [];
    const failures = {
      predecessorFailed: (token: string, error: () => { code: string }) =>
        heard.push(`${token} ${error().code}`),
    };
    return { heard, ...fixture({ ...options, failures }) };
  };

  test('a refusal', () => {
    const { heard, port, publish } = heardBy();
    publish('a', 1);
    publish('b', 1);
    port.answer('a:1', refused);
    expect(heard).toEqual(['a PREDECESSOR_REJECTED']);
  });

  test('an unknown outcome, and nothing of what is stored or called off', async () => {
    const { heard, clock, publish } = heardBy();
    const end = new AbortController();
    publish('a', 1);
    publish('a', 2, { signal: end.signal });
    end.abort();
    await clock.advance(59_900);
    expect(heard).toEqual([]);
    await clock.advance(100);
    expect(heard).toEqual(['a PREDECESSOR_UNKNOWN']);
  });
});

describe('an outcome that stays unknown', () => {
  test('rejects its call and the calls after it at giveUpAfterMs, and closes its aggregate', async () => {
    const { clock, port, sequencer, publish } = fixture();
    const calls = [publish('a', 1), publish('a', 2)];
    await clock.advance(59_900);
    expect(calls[0]!.outcome).toBe('open');
    await clock.advance(100);
    expect(calls.map(({ outcome }) => outcome)).toEqual(['OUTCOME_UNKNOWN', 'PREDECESSOR_UNKNOWN']);
    expect(sequencer.unknownAggregates()).toEqual(['a']);
    const refusedCall = publish('a', 3);
    const other = publish('b', 1);
    await clock.settle();
    expect(refusedCall.outcome).toBe('PREDECESSOR_UNKNOWN');
    expect(other.outcome).toBe('open');
    expect(new Set(port.sentIds)).toEqual(new Set(['a:1', 'b:1']));
  });

  test('is sent again until 10 s before the duplicate window ends; a look-up then opens it', async () => {
    const { clock, port, sequencer, publish } = fixture();
    port.findStoredResult = () => Promise.resolve(9);
    publish('a', 1);
    await clock.advance(109_900);
    const copies = port.sent.length;
    expect(copies).toBe(55);
    expect(port.lookups).toEqual([]);
    await clock.advance(100);
    expect(port.lookups).toEqual([{ messageId: 'a:1', afterSequence: undefined }]);
    expect(sequencer.unknownAggregates()).toEqual([]);
    const next = publish('a', 2);
    port.answer('a:2', stored(10));
    await clock.advance(5_000);
    expect(next.outcome).toBe('stored');
    expect(port.sent.length).toBe(copies + 1);
  });

  test('holds no place on the wire: other aggregates are sent even if many are unknown', async () => {
    const { clock, port, publish } = fixture({ maxInFlight: 2 });
    const calls = [publish('a', 1), publish('b', 1), publish('c', 1), publish('d', 1)];
    await clock.advance(60_000);
    expect(calls.map(({ outcome }) => outcome)).toEqual([
      'OUTCOME_UNKNOWN',
      'OUTCOME_UNKNOWN',
      'open',
      'open',
    ]);
    port.answer('c:1', stored(1));
    port.answer('d:1', stored(2));
    // They held no place, so their late answers free none.
    port.answer('a:1', stored(3));
    port.answer('b:1', stored(4));
    await clock.settle();
    for (const token of ['e', 'f', 'g']) publish(token, 1);
    expect(port.sentIds.filter((id) => /[efg]/.test(id))).toEqual(['e:1', 'f:1']);
  });

  test('opens immediately when a late answer arrives', async () => {
    const { clock, port, sequencer, publish } = fixture();
    const call = publish('a', 1);
    await clock.advance(60_000);
    port.answer('a:1', stored(1));
    expect(sequencer.unknownAggregates()).toEqual([]);
    publish('a', 2);
    expect(port.sentIds.at(-1)).toBe('a:2');
    await clock.settle();
    expect(call.outcome).toBe('OUTCOME_UNKNOWN');
    expect(sequencer.pending).toBe(1);
    expect([sequencer.published, sequencer.failed]).toEqual([0, 1]);
  });

  test('opens by resume() of that aggregate', async () => {
    const { clock, port, sequencer, publish } = fixture();
    publish('a', 1);
    await clock.advance(60_000);
    sequencer.resume('b');
    expect(sequencer.unknownAggregates()).toEqual(['a']);
    sequencer.resume('a');
    expect(sequencer.unknownAggregates()).toEqual([]);
    publish('a', 2);
    const copies = port.sentIds.filter((id) => id === 'a:1').length;
    await clock.advance(10_000);
    expect(port.sentIds.filter((id) => id === 'a:1')).toHaveLength(copies);
    expect(port.sentIds).toContain('a:2');
  });

  test('is required for resume(): an aggregate with an open event stays as it is', () => {
    const { port, sequencer, publish } = fixture();
    publish('a', 1);
    publish('a', 2);
    sequencer.resume('a');
    expect(port.sentIds).toEqual(['a:1']);
    expect(sequencer.pending).toBe(2);
  });

  test('stays unknown while the look-up fails', async () => {
    const { clock, port, sequencer, publish } = fixture();
    port.findStoredResult = () => Promise.reject(new Error('no answer'));
    publish('a', 1);
    await clock.advance(115_000);
    expect(sequencer.unknownAggregates()).toEqual(['a']);
    expect(port.lookups.length).toBeGreaterThan(1);
    port.findStoredResult = () => Promise.resolve(undefined);
    await clock.advance(200);
    expect(sequencer.unknownAggregates()).toEqual([]);
  });

  test('keeps the aggregate closed during the look-up', async () => {
    const { clock, port, publish } = fixture();
    port.findStoredResult = () => new Promise(() => undefined);
    publish('a', 1);
    await clock.advance(111_000);
    expect(port.lookups).toHaveLength(1);
    const call = publish('a', 2);
    await clock.settle();
    expect(call.outcome).toBe('PREDECESSOR_UNKNOWN');
  });

  test('can be resumed during the look-up, whose late answer then changes nothing', async () => {
    const { clock, port, sequencer, publish } = fixture();
    let tell: (sequence: number | undefined) => void = () => undefined;
    port.findStoredResult = () => new Promise((resolve) => (tell = resolve));
    publish('a', 1);
    await clock.advance(111_000);
    expect(sequencer.unknownAggregates()).toEqual(['a']);
    sequencer.resume('a');
    const call = publish('a', 2);
    expect(port.sentIds.at(-1)).toBe('a:2');
    tell(undefined);
    await clock.settle();
    port.answer('a:2', stored(2));
    await clock.settle();
    expect(call.outcome).toBe('stored');
  });

  test('ends every call if the duplicate window is shorter than giveUpAfterMs', async () => {
    for (const found of [undefined, 6]) {
      const { clock, port, sequencer, publish } = fixture({
        giveUpAfterMs: 60_000,
        duplicateWindowMs: 30_000,
      });
      port.findStoredResult = () => Promise.resolve(found);
      const calls = [publish('a', 1), publish('a', 2)];
      await clock.advance(25_000);
      if (port.sentIds.includes('a:2')) port.answer('a:2', stored(7));
      await clock.advance(100_000);
      expect(calls.map(({ outcome }) => outcome)).not.toContain('open');
      expect(sequencer.pending).toBe(0);
      if (found === undefined) expect(port.sentIds).not.toContain('a:2');
    }
  });

  test('names the time that was waited: giveUpAfterMs, or less if the window is shorter', async () => {
    for (const { window, text } of [
      { window: 120_000, text: 'no answer for 60000 ms (publish.giveUpAfterMs)' },
      {
        window: 30_000,
        text: "no answer for 20000 ms, all that the stream's duplicate window of 30000 ms leaves",
      },
    ]) {
      const { clock, publish } = fixture({ giveUpAfterMs: 60_000, duplicateWindowMs: window });
      const call = publish('a', 1);
      await clock.advance(60_000);
      expect(call.error?.message).toContain(text);
    }
  });

  test('is sent again for half of a duplicate window of a few seconds', async () => {
    const { clock, port, publish } = fixture({ duplicateWindowMs: 6_000 });
    const call = publish('a', 1);
    await clock.advance(2_900);
    expect(call.outcome).toBe('open');
    expect(port.sentIds).toEqual(['a:1', 'a:1']);
    await clock.advance(100);
    expect(call.outcome).toBe('OUTCOME_UNKNOWN');
  });
});

describe('bounds', () => {
  test('reject a call beyond maxPending, and accept one when an earlier call has ended', async () => {
    const { clock, port, sequencer, publish } = fixture({ maxPending: 2 });
    publish('a', 1);
    publish('a', 2);
    const third = publish('b', 1);
    await clock.settle();
    expect(third.outcome).toBe('PUBLISHER_SATURATED');
    expect(sequencer.pending).toBe(2);
    port.answer('a:1', stored(1));
    publish('b', 2);
    expect(port.sentIds).toEqual(['a:1', 'a:2', 'b:2']);
  });

  test('count every call as pending, then as published or failed', async () => {
    const { clock, port, sequencer, publish } = fixture({ maxPending: 3 });
    publish('a', 1);
    publish('b', 1);
    publish('b', 2);
    publish('c', 1);
    expect([sequencer.pending, sequencer.published, sequencer.failed]).toEqual([3, 0, 1]);
    port.answer('a:1', stored(1));
    port.answer('b:1', refused);
    await clock.settle();
    expect([sequencer.pending, sequencer.published, sequencer.failed]).toEqual([0, 1, 3]);
  });
});

describe("the caller's signal", () => {
  test('keeps the event from being sent if it is already aborted', async () => {
    const { clock, port, publish } = fixture();
    const call = publish('a', 1, { signal: AbortSignal.abort('no') });
    await clock.settle();
    expect(call.outcome).toBe('ABORTED');
    expect(call.error!.cause).toBe('no');
    expect(port.sent).toEqual([]);
  });

  test('removes a waiting event; the events after it are still sent', async () => {
    const { clock, port, sequencer, publish } = fixture();
    const abort = new AbortController();
    publish('a', 1);
    const call = publish('a', 2, { signal: abort.signal });
    const alsoAborted = publish('a', 3, { signal: abort.signal });
    const next = publish('a', 4);
    abort.abort('enough');
    await clock.settle();
    expect([call.outcome, alsoAborted.outcome]).toEqual(['ABORTED', 'ABORTED']);
    expect(sequencer.pending).toBe(2);
    port.answer('a:1', stored(1));
    expect(port.sentIds).toEqual(['a:1', 'a:4']);
    port.answer('a:4', stored(2));
    await clock.settle();
    expect(next.outcome).toBe('stored');
  });

  test('removes a head that was not sent; the next event takes its place', async () => {
    const { clock, port, sequencer, publish } = fixture();
    port.disconnect();
    const abort = new AbortController();
    const call = publish('a', 1, { signal: abort.signal });
    publish('a', 2);
    const alone = publish('b', 1, { signal: abort.signal });
    abort.abort();
    await clock.settle();
    expect([call.outcome, alone.outcome]).toEqual(['ABORTED', 'ABORTED']);
    port.reconnect();
    expect(port.sentIds).toEqual(['a:2']);
    expect(sequencer.pending).toBe(1);
  });

  test('does not change the outcome of an event that was sent', async () => {
    const { clock, port, publish } = fixture();
    const abort = new AbortController();
    const call = publish('a', 1, { signal: abort.signal });
    abort.abort();
    await clock.settle();
    expect(call.outcome).toBe('open');
    port.answer('a:1', stored(1));
    await clock.settle();
    expect(call.outcome).toBe('stored');
  });

  test('has one listener for all events that share it: Node warns of eleven', async () => {
    const { clock, port, publish } = fixture();
    const end = new AbortController();
    const calls = Array.from({ length: 30 }, (_, n) => publish('a', n + 1, { signal: end.signal }));
    expect(getEventListeners(end.signal, 'abort')).toHaveLength(1);
    end.abort();
    await clock.settle();
    // The first one is sent.
    expect(calls.map(({ outcome }) => outcome)).toEqual(['open', ...Array<string>(29).fill('ABORTED')]);
    port.answer('a:1', stored(1));
    await clock.settle();
    expect(getEventListeners(end.signal, 'abort')).toEqual([]);
  });

  test('has no listener after the outcome, so one signal may serve for the life of a service', async () => {
    const { clock, port, publish } = fixture();
    const { signal } = new AbortController();
    for (let n = 1; n <= 20; n++) {
      publish('a', n, { signal });
      port.answer(`a:${n}`, stored(n));
    }
    await clock.settle();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('the end', () => {
  test('flush waits for every event accepted so far to end, and for no later one', async () => {
    const { clock, port, sequencer, publish } = fixture();
    await sequencer.flush();
    publish('a', 1);
    publish('b', 1);
    let flushed = false;
    void sequencer.flush().then(() => (flushed = true));
    publish('c', 1);
    port.answer('c:1', stored(1));
    port.answer('a:1', stored(2));
    await clock.settle();
    expect(flushed).toBe(false);
    port.answer('b:1', refused);
    await clock.settle();
    expect(flushed).toBe(true);
  });

  test('close ends sent events as unknown and others as not stored, and accepts no more', async () => {
    const { clock, port, sequencer, publish } = fixture();
    const sent = publish('a', 1);
    const waiting = publish('a', 2);
    let flushed = false;
    void sequencer.flush().then(() => (flushed = true));
    sequencer.close();
    sequencer.close();
    const late = publish('b', 1);
    await clock.settle();
    expect([sent.outcome, waiting.outcome, late.outcome]).toEqual([
      'OUTCOME_UNKNOWN',
      'PUBLISHER_CLOSED',
      'PUBLISHER_CLOSED',
    ]);
    expect([flushed, port.closed, sequencer.pending]).toEqual([true, true, 0]);
    const copies = port.sent.length;
    port.reconnect();
    port.answer('a:1', stored(1));
    await clock.advance(200_000);
    expect(port.sent).toHaveLength(copies);
    expect(clock.pendingTimers).toBe(0);
  });

  test('close during a look-up ends the call once', async () => {
    const { clock, port, sequencer, publish } = fixture();
    let tell: (sequence: number | undefined) => void = () => undefined;
    port.findStoredResult = () => new Promise((resolve) => (tell = resolve));
    const call = publish('a', 1);
    await clock.advance(2_000);
    port.answer('a:1', refused);
    sequencer.close();
    tell(1);
    await clock.settle();
    expect(call.outcome).toBe('OUTCOME_UNKNOWN');
    expect([sequencer.published, sequencer.failed]).toEqual([0, 1]);
  });

  test('lastSequence reads the stream', async () => {
    const { port, sequencer } = fixture();
    port.lastSequenceResult = () => Promise.resolve(12);
    await expect(sequencer.lastSequence('orders.a')).resolves.toBe(12);
  });
});
