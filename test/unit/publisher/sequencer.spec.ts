import { getEventListeners } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { SequenceConflictError } from '#library/publisher/publish-errors.js';
import { bench, refused, stored, unavailable, wrongSequence } from './fake-publish-port.js';

describe('one event per aggregate is on the wire', () => {
  test('n+1 leaves only when n is stored', async () => {
    const { clock, port, publish } = bench();
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

  test('aggregates go side by side', () => {
    const { port, publish } = bench();
    publish('a', 1);
    publish('b', 1);
    publish('a', 2);
    expect(port.sentIds).toEqual(['a:1', 'b:1']);
  });

  test('maxInFlight bounds what is on the wire, and a free place goes to whoever waited longest', () => {
    const { port, publish } = bench({ maxInFlight: 2 });
    for (const token of ['a', 'b', 'c', 'd']) publish(token, 1);
    expect(port.sentIds).toEqual(['a:1', 'b:1']);
    publish('a', 2);
    port.answer('a:1', stored(1));
    expect(port.sentIds).toEqual(['a:1', 'b:1', 'c:1']);
    port.answer('c:1', stored(2));
    port.answer('d:1', stored(3));
    expect(port.sentIds).toEqual(['a:1', 'b:1', 'c:1', 'd:1', 'a:2']);
  });

  test('an answer that comes twice, or for nothing that was sent, changes nothing', async () => {
    const { clock, port, sequencer, publish } = bench();
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

describe('the same event again, under the same id, for as long as its outcome is open', () => {
  test('nothing is sent while disconnected; at the reconnect the heads leave at once, those behind them wait', async () => {
    const { clock, port, publish } = bench();
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

  test('a publisher that starts disconnected sends once it is connected', async () => {
    const { clock, port, publish } = bench();
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

  test('without an answer it is sent again after 2 s, and again', async () => {
    const { clock, port, publish } = bench();
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

  test('an answer to an earlier copy counts', async () => {
    const { clock, port, publish } = bench();
    const call = publish('a', 1);
    const { id } = port.sent[0]!;
    await clock.advance(2_000);
    port.listener.answered(id, stored(5));
    await clock.settle();
    expect(call.receipt?.sequence).toBe(5);
  });

  test('"not now" is no failure: it is sent again soon, without a hole', async () => {
    const { clock, port, publish } = bench();
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

  test('"duplicate" is told only if the stream held the event before this call sent it', async () => {
    const { clock, port, publish } = bench();
    const once = publish('a', 1);
    port.answer('a:1', stored(1, true));
    const twice = publish('b', 1);
    await clock.advance(2_000);
    port.answer('b:1', stored(2, true));
    await clock.settle();
    expect(once.receipt?.duplicate).toBe(true);
    expect(twice.receipt?.duplicate).toBe(false);
  });

  test('no copy leaves any more once the stream may have forgotten the id, not even at a reconnect', async () => {
    const { clock, port, publish } = bench({ giveUpAfterMs: 60_000, duplicateWindowMs: 120_000 });
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
  test("rejects the event with the server's reason and all behind it; none of those is ever sent", async () => {
    const { clock, port, sequencer, publish } = bench();
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
    expect(calls[0]!.error!.message).toContain('10077: maximum messages exceeded');
    expect(calls[1]!.error!.cause).toBe(calls[0]!.error);
    expect(other.outcome).toBe('stored');
    expect(port.sentIds).toEqual(['a:1', 'b:1']);
    expect(sequencer.pending).toBe(0);
  });

  test('leaves the aggregate open for calls made after it', async () => {
    const { clock, port, publish } = bench();
    publish('a', 1);
    port.answer('a:1', refused);
    const next = publish('a', 2);
    port.answer('a:2', stored(1));
    await clock.settle();
    expect(next.outcome).toBe('stored');
  });

  test('of an event that was sent twice is looked up first: stored means stored', async () => {
    const { clock, port, publish } = bench();
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

  test('of an event that was sent twice and is not stored is believed', async () => {
    const { clock, port, publish } = bench();
    const call = publish('a', 1);
    const next = publish('a', 2);
    await clock.advance(2_000);
    port.answer('a:1', refused);
    await clock.settle();
    expect([call.outcome, next.outcome]).toEqual(['PUBLISH_REJECTED', 'PREDECESSOR_REJECTED']);
  });

  test('that cannot be looked up leaves the outcome open: the event is sent again', async () => {
    const { clock, port, publish, warnings } = bench();
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

  test('answers that come during a look-up are not believed before it', async () => {
    const { clock, port, publish } = bench();
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
  test('a wrong one is a conflict that names the actual sequence; it is not stored, nor is what follows', async () => {
    const { clock, port, publish } = bench();
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

  test('an event that an earlier call stored, perhaps of a process that was killed, is no conflict with itself', async () => {
    const { clock, port, publish } = bench();
    port.findStoredResult = () => Promise.resolve(4);
    const call = publish('a', 1, { expected: 3 });
    port.answer('a:1', wrongSequence);
    await clock.settle();
    expect(call.receipt).toMatchObject({ sequence: 4, duplicate: true });
  });

  test("a conflict with one's own first copy is none", async () => {
    const { clock, port, publish } = bench();
    port.findStoredResult = () => Promise.resolve(4);
    const call = publish('a', 1, { expected: 3 });
    await clock.advance(2_000);
    port.answer('a:1', wrongSequence);
    await clock.settle();
    expect(port.lookups).toEqual([{ messageId: 'a:1', afterSequence: 3 }]);
    expect(call.receipt?.sequence).toBe(4);
  });

  test('a refusal with nothing behind the expected sequence speaks of an event under way: it is sent again', async () => {
    const { clock, port, publish } = bench();
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

  test('a conflict whose sequence cannot be read is tried again', async () => {
    const { clock, port, publish } = bench();
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

describe('an outcome that stays unknown', () => {
  test('is told as unknown after giveUpAfterMs, those behind it were never sent, the aggregate accepts nothing', async () => {
    const { clock, port, sequencer, publish } = bench();
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

  test('goes on being sent until 10 s before the duplicate window ends, then the stream is asked and the aggregate opens', async () => {
    const { clock, port, sequencer, publish } = bench();
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

  test('holds no place on the wire: other aggregates go on however many are unknown', async () => {
    const { clock, port, publish } = bench({ maxInFlight: 2 });
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
    // Their late answers give no place back that they did not hold.
    port.answer('a:1', stored(3));
    port.answer('b:1', stored(4));
    await clock.settle();
    for (const token of ['e', 'f', 'g']) publish(token, 1);
    expect(port.sentIds.filter((id) => /[efg]/.test(id))).toEqual(['e:1', 'f:1']);
  });

  test('opens at once when a late answer tells', async () => {
    const { clock, port, sequencer, publish } = bench();
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

  test('opens by resume(), and only then', async () => {
    const { clock, port, sequencer, publish } = bench();
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

  test('resume() does nothing to an aggregate whose event is merely open', () => {
    const { port, sequencer, publish } = bench();
    publish('a', 1);
    publish('a', 2);
    sequencer.resume('a');
    expect(port.sentIds).toEqual(['a:1']);
    expect(sequencer.pending).toBe(2);
  });

  test('stays unknown while the stream cannot be asked', async () => {
    const { clock, port, sequencer, publish } = bench();
    port.findStoredResult = () => Promise.reject(new Error('no answer'));
    publish('a', 1);
    await clock.advance(115_000);
    expect(sequencer.unknownAggregates()).toEqual(['a']);
    expect(port.lookups.length).toBeGreaterThan(1);
    port.findStoredResult = () => Promise.resolve(undefined);
    await clock.advance(200);
    expect(sequencer.unknownAggregates()).toEqual([]);
  });

  test('accepts nothing while the stream is being asked either', async () => {
    const { clock, port, publish } = bench();
    port.findStoredResult = () => new Promise(() => undefined);
    publish('a', 1);
    await clock.advance(111_000);
    expect(port.lookups).toHaveLength(1);
    const call = publish('a', 2);
    await clock.settle();
    expect(call.outcome).toBe('PREDECESSOR_UNKNOWN');
  });

  test('can be resumed while the stream is being asked, and the late answer then changes nothing', async () => {
    const { clock, port, sequencer, publish } = bench();
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

  test('a stream whose window is shorter than giveUpAfterMs still gives every caller an outcome', async () => {
    for (const found of [undefined, 6]) {
      const { clock, port, sequencer, publish } = bench({ giveUpAfterMs: 60_000, duplicateWindowMs: 30_000 });
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

  test('is told with the time that was really waited: giveUpAfterMs, or what a shorter window leaves', async () => {
    for (const { window, text } of [
      { window: 120_000, text: 'no answer for 60000 ms (publish.giveUpAfterMs)' },
      {
        window: 30_000,
        text: "no answer for 20000 ms, all that the stream's duplicate window of 30000 ms leaves",
      },
    ]) {
      const { clock, publish } = bench({ giveUpAfterMs: 60_000, duplicateWindowMs: window });
      const call = publish('a', 1);
      await clock.advance(60_000);
      expect(call.error?.message).toContain(text);
    }
  });

  test('a window of few seconds leaves half of it for copies: no event is given up before it could be answered', async () => {
    const { clock, port, publish } = bench({ duplicateWindowMs: 6_000 });
    const call = publish('a', 1);
    await clock.advance(2_900);
    expect(call.outcome).toBe('open');
    expect(port.sentIds).toEqual(['a:1', 'a:1']);
    await clock.advance(100);
    expect(call.outcome).toBe('OUTCOME_UNKNOWN');
  });
});

describe('bounds', () => {
  test('a call beyond the limit is refused and never sent; a place that is free again is given', async () => {
    const { clock, port, sequencer, publish } = bench({ maxPending: 2 });
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

  test('counters tell every call: pending, then published or failed', async () => {
    const { clock, port, sequencer, publish } = bench({ maxPending: 3 });
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
  test('that is aborted already keeps the event from being sent', async () => {
    const { clock, port, publish } = bench();
    const call = publish('a', 1, { signal: AbortSignal.abort('no') });
    await clock.settle();
    expect(call.outcome).toBe('ABORTED');
    expect(call.error!.cause).toBe('no');
    expect(port.sent).toEqual([]);
  });

  test('calls an event off that waits behind another; those behind it go on without it', async () => {
    const { clock, port, sequencer, publish } = bench();
    const abort = new AbortController();
    publish('a', 1);
    const call = publish('a', 2, { signal: abort.signal });
    const alsoOff = publish('a', 3, { signal: abort.signal });
    const next = publish('a', 4);
    abort.abort('enough');
    await clock.settle();
    expect([call.outcome, alsoOff.outcome]).toEqual(['ABORTED', 'ABORTED']);
    expect(sequencer.pending).toBe(2);
    port.answer('a:1', stored(1));
    expect(port.sentIds).toEqual(['a:1', 'a:4']);
    port.answer('a:4', stored(2));
    await clock.settle();
    expect(next.outcome).toBe('stored');
  });

  test('calls off a head that is not sent; the next one takes its place', async () => {
    const { clock, port, sequencer, publish } = bench();
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

  test('does nothing to an event that was sent: its outcome is told as it is', async () => {
    const { clock, port, publish } = bench();
    const abort = new AbortController();
    const call = publish('a', 1, { signal: abort.signal });
    abort.abort();
    await clock.settle();
    expect(call.outcome).toBe('open');
    port.answer('a:1', stored(1));
    await clock.settle();
    expect(call.outcome).toBe('stored');
  });

  test('is let go of with the outcome, so that one signal may serve for the life of a service', async () => {
    const { clock, port, publish } = bench();
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
  test('flush waits for every event accepted so far, whatever its outcome, and for none after it', async () => {
    const { clock, port, sequencer, publish } = bench();
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

  test('close tells what was sent as unknown, the rest as never sent, and accepts nothing more', async () => {
    const { clock, port, sequencer, publish } = bench();
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

  test('close during a look-up gives the call its outcome once', async () => {
    const { clock, port, sequencer, publish } = bench();
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

  test('lastSequence asks the stream', async () => {
    const { port, sequencer } = bench();
    port.lastSequenceResult = () => Promise.resolve(12);
    await expect(sequencer.lastSequence('orders.a')).resolves.toBe(12);
  });
});
