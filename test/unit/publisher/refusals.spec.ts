import { describe, expect, test } from '@jest/globals';
import { AggregateTransportError } from '#library/errors.js';
import { absent, fixture, full, stored, unavailable } from './fake-publish-port.js';

describe('a full stream', () => {
  test('refuses an event at its first answer, with the reason, and the events queued after it', async () => {
    const { clock, port, sequencer, publish } = fixture();
    const calls = [publish('a', 1), publish('a', 2)];
    port.answer('a:1', full);
    await clock.settle();
    expect(calls.map(({ outcome }) => outcome)).toEqual(['PUBLISH_REJECTED', 'PREDECESSOR_REJECTED']);
    expect(calls[0]!.error!.message).toMatch(/10077: maximum messages exceeded.*not stored: make room/);
    expect(sequencer.unknownAggregates()).toEqual([]);
    const next = publish('a', 3);
    port.answer('a:3', stored(1));
    await clock.settle();
    expect([next.outcome, port.sentIds]).toEqual(['stored', ['a:1', 'a:3']]);
  });

  test('refuses no event of which another copy may still be stored', async () => {
    const { clock, port, publish } = fixture();
    const call = publish('a', 1);
    publish('a', 2);
    await clock.advance(2_000);
    expect(port.sentIds).toEqual(['a:1', 'a:1']);
    port.answer('a:1', full);
    await clock.settle();
    expect(call.outcome).toBe('open');
    // The first copy, which was slow, found room.
    port.answer('a:1', stored(7));
    await clock.settle();
    expect(call.receipt?.sequence).toBe(7);
    expect(port.sentIds).toEqual(['a:1', 'a:1', 'a:2']);
  });

  test('refuses an event when all its copies are refused', async () => {
    const { clock, port, publish } = fixture();
    const call = publish('a', 1);
    await clock.advance(2_000);
    port.answer('a:1', full);
    port.answer('a:1', full);
    await clock.settle();
    expect(call.outcome).toBe('PUBLISH_REJECTED');
  });

  test('tells the last answer of an event whose outcome stays unknown', async () => {
    const { clock, port, publish } = fixture();
    const calls = [publish('a', 1), publish('a', 2)];
    await clock.advance(2_000);
    port.answer('a:1', full);
    await clock.advance(58_000);
    expect(calls.map(({ outcome }) => outcome)).toEqual(['OUTCOME_UNKNOWN', 'PREDECESSOR_UNKNOWN']);
    expect(calls[0]!.error!.message).toContain(
      'no copy was confirmed for 60000 ms (publish.giveUpAfterMs); the last answer was "10077: maximum messages exceeded"',
    );
  });

  test('opens an aggregate with an unknown outcome when the last open copy is refused', async () => {
    const { clock, port, sequencer, publish } = fixture({ giveUpAfterMs: 1_000 });
    const call = publish('a', 1);
    await clock.advance(1_000);
    expect(call.outcome).toBe('OUTCOME_UNKNOWN');
    port.answer('a:1', full);
    await clock.settle();
    expect(sequencer.unknownAggregates()).toEqual([]);
    expect(sequencer.failed).toBe(1);
  });
});

describe('an answer that no stream has the event', () => {
  test('is waited out, and refuses the event with the reason when it is late', async () => {
    const { clock, port, sequencer, publish } = fixture({ giveUpAfterMs: 3_000 });
    const calls = [publish('a', 1), publish('a', 2)];
    for (let answered = 0; clock.now() < 2_600;) {
      if (port.sent.length > answered) {
        answered = port.sent.length;
        port.answer('a:1', absent);
      }
      await clock.advance(100);
      expect(calls[0]!.outcome).toBe('open');
    }
    await clock.advance(100);
    port.answer('a:1', absent);
    await clock.settle();
    expect(calls.map(({ outcome }) => outcome)).toEqual(['PUBLISH_REJECTED', 'PREDECESSOR_REJECTED']);
    expect(calls[0]!.error!.message).toContain('no stream');
    expect(sequencer.unknownAggregates()).toEqual([]);
  });

  test('refuses a late event while disconnected, if its only copy has that answer', async () => {
    const { clock, port, publish } = fixture({ giveUpAfterMs: 3_000 });
    const call = publish('a', 1);
    port.answer('a:1', absent);
    port.disconnect();
    await clock.advance(2_900);
    expect(call.outcome).toBe('open');
    await clock.advance(200);
    expect(call.outcome).toBe('PUBLISH_REJECTED');
    expect(call.error!.message).toContain('no stream');
  });

  test('leaves the outcome unknown if another answer left it open', async () => {
    const { clock, port, publish } = fixture({ giveUpAfterMs: 3_000 });
    const call = publish('a', 1);
    port.answer('a:1', unavailable);
    await clock.advance(200);
    port.answer('a:1', absent);
    await clock.advance(3_000);
    expect(call.outcome).toBe('OUTCOME_UNKNOWN');
    expect(call.error!.message).toContain('the last answer was "no stream"');
  });
});

describe('a batch', () => {
  const batching = { maxBatch: 4, maxOpenBatches: 2, obstacle: undefined, worthwhileAt: () => 2 };

  test('that a full stream refuses is sent one by one: what has room is stored, the next one is refused', async () => {
    const { clock, port, sequencer, publish } = fixture({ batching });
    const calls = [1, 2, 3, 4].map((n) => publish('a', n));
    port.answer('a:1', stored(1));
    const { id } = port.batches[0]!;
    sequencer.opened(id);
    sequencer.answered(id, full);
    expect(port.sentIds).toEqual(['a:1', 'a:2']);
    port.answer('a:2', stored(2));
    port.answer('a:3', full);
    await clock.settle();
    expect(calls.map(({ outcome }) => outcome)).toEqual([
      ...['stored', 'stored', 'PUBLISH_REJECTED', 'PREDECESSOR_REJECTED'],
    ]);
    expect(port.sentIds).toEqual(['a:1', 'a:2', 'a:3']);
  });

  test('in doubt keeps its first event open until it is refused as well', async () => {
    const { clock, port, sequencer, publish } = fixture({ batching });
    const calls = [1, 2, 3].map((n) => publish('a', n));
    port.answer('a:1', stored(1));
    const { id } = port.batches[0]!;
    sequencer.opened(id);
    await clock.advance(2_000);
    port.answer('a:2', full);
    await clock.settle();
    expect(calls[1]!.outcome).toBe('open');
    sequencer.answered(id, full);
    await clock.advance(100);
    port.answer('a:2', full);
    await clock.settle();
    expect(calls.map(({ outcome }) => outcome)).toEqual([
      'stored',
      'PUBLISH_REJECTED',
      'PREDECESSOR_REJECTED',
    ]);
  });
});

describe('a connection that never comes back', () => {
  const gone = new AggregateTransportError('CONNECTION_CLOSED', 'closed for good');

  test('ends sent events as unknown and others as not stored, and accepts no more', async () => {
    const { clock, port, sequencer, publish } = fixture();
    const refusedOnce = publish('c', 1);
    port.answer('c:1', absent);
    port.disconnect();
    const [sent, waiting] = [publish('a', 1), publish('a', 2)];
    port.reconnect();
    port.disconnect();
    sequencer.ended(gone);
    sequencer.ended(gone);
    const late = publish('b', 1);
    await sequencer.flush();
    await clock.settle();
    expect([sent, waiting, late].map(({ outcome }) => outcome)).toEqual([
      ...['OUTCOME_UNKNOWN', 'CONNECTION_CLOSED', 'CONNECTION_CLOSED'],
    ]);
    expect(sent.error!.message).toMatch(/connection is closed for good/);
    expect(sent.error!.cause).toBe(gone);
    // Sent again after the reconnect, so a copy is open; the answer to the first one is told.
    expect(refusedOnce.error!.message).toContain('the last answer was "no stream"');
    sequencer.close();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a server that takes less than before', () => {
  const SMALL = 10_000;
  const LEFT_FREE = 8_192;

  test('costs the events that are too large, which were never sent; all others are sent', async () => {
    const { clock, port, publish } = fixture();
    port.disconnect();
    const large = publish('a', 1, { bytes: SMALL });
    const behind = publish('a', 2);
    const many = Array.from({ length: 50 }, (_, n) => publish(`large-${n}`, 1, { bytes: SMALL }));
    const fitting = publish('b', 1, { bytes: SMALL - LEFT_FREE });
    port.maxPayloadBytes = SMALL;
    port.reconnect();
    port.answer('b:1', stored(1));
    await clock.settle();
    expect([large, behind, fitting].map(({ outcome }) => outcome)).toEqual([
      ...['EVENT_TOO_LARGE', 'PREDECESSOR_REJECTED', 'stored'],
    ]);
    expect(new Set(many.map(({ outcome }) => outcome))).toEqual(new Set(['EVENT_TOO_LARGE']));
    expect(port.sentIds).toEqual(['b:1']);
  });

  test('leaves an event open whose copy was sent before: that copy may be stored', async () => {
    const { clock, port, sequencer, publish } = fixture();
    port.findStoredResult = () => Promise.resolve(3);
    const call = publish('a', 1, { bytes: 2 * SMALL });
    port.maxPayloadBytes = SMALL;
    port.reconnect();
    await clock.advance(59_000);
    expect([call.outcome, port.sentIds]).toEqual(['open', ['a:1']]);
    await clock.advance(1_000);
    expect(call.outcome).toBe('OUTCOME_UNKNOWN');
    expect(call.error!.message).toContain(`max_payload is ${SMALL} now`);
    await clock.advance(50_000);
    expect([sequencer.unknownAggregates(), port.lookups.length, port.sentIds]).toEqual([[], 1, ['a:1']]);
  });

  test('sends the copy when the server takes it again', async () => {
    const { clock, port, publish } = fixture();
    const call = publish('a', 1, { bytes: 2 * SMALL });
    port.maxPayloadBytes = SMALL;
    port.reconnect();
    port.maxPayloadBytes = 3 * SMALL;
    port.reconnect();
    port.answer('a:1', stored(1));
    await clock.settle();
    expect([call.outcome, port.sentIds]).toEqual(['stored', ['a:1', 'a:1']]);
  });

  test('puts no event that is too large into a batch', async () => {
    const { clock, port, publish } = fixture({
      batching: { maxBatch: 4, maxOpenBatches: 2, obstacle: undefined, worthwhileAt: () => 2 },
    });
    const calls = [publish('a', 1), publish('a', 2), publish('a', 3)];
    calls.push(publish('a', 4, { bytes: SMALL }));
    port.maxPayloadBytes = SMALL;
    port.answer('a:1', stored(1));
    port.listener.opened(port.batches[0]!.id);
    expect(port.batches[0]!.ids).toEqual(['a:2', 'a:3']);
    port.listener.answered(port.batches[0]!.id, stored(3));
    await clock.settle();
    expect(calls.map(({ outcome }) => outcome)).toEqual(['stored', 'stored', 'stored', 'EVENT_TOO_LARGE']);
  });
});
