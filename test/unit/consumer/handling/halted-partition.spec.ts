import { describe, expect, test } from '@jest/globals';
import { AloneTurns } from '#library/consumer/suspects/alone-turns.js';
import type { Failure } from '#library/consumer/handling/outcome.js';
import { jsonCodec } from '#library/message/codec.js';
import type { Delivery } from '#library/message/delivery.js';
import { prepareEvent } from '#library/message/outgoing/prepare-event.js';
import { firstGroupRecord } from '#library/records/group-record.js';
import type { PositionRecord, StartEntry } from '#library/records/position-record.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryKey } from '#library/testing/memory/memory-key.js';
import { MemoryParked } from '#library/testing/memory/memory-parked.js';
import { MemoryReaders } from '#library/testing/memory/memory-readers.js';
import { MemoryStream } from '#library/testing/memory/memory-stream.js';
import { Channel } from '../../parking/walk-clock.js';
import { WalkProcess } from '../../parking/walk-process.js';
import { parks } from './lanes-fixture.js';

/** One process with a whole partition over memory ports. Handlers run until a test ends them. */
function partition(clock: ManualClock, turns: AloneTurns, starts: Record<string, StartEntry> = {}) {
  const moved = (): void => undefined;
  const stream = new MemoryStream(clock, 120_000);
  const position = new MemoryKey<PositionRecord>({ clock, moved });
  const readers = new MemoryReaders({ stream, prefix: 't.', clock, moved });
  const parked = new MemoryParked({ maxLetters: 100, clock, moved });
  const started: Delivery[] = [];
  const ends: ((failure?: Failure) => void)[] = [];
  const process = new WalkProcess({
    ...{ owner: 'p', clock, turns, random: () => 0, cpu: new Channel(1), net: new Channel(1) },
    policy: { ...parks, onExhausted: 'halt', retry: { ...parks.retry, attempts: 1 } },
    sizes: { batch: 10, maxAckPending: 100, concurrency: 10, commitEveryMs: 0 },
    world: {
      group: firstGroupRecord(1, { sequence: 0, created: stream.created }),
      startOver: () => undefined,
      hasSurvived: () => false,
      handle: (_process, event) => {
        started.push(event);
        return new Promise((resolve) => ends.push(resolve));
      },
    },
    ports: {
      connect: (listener) => readers.connect(listener),
      get positionPort() {
        return position.connect();
      },
      parkedPort: parked.connect('g', ''),
    },
  });
  const record: PositionRecord = {
    ...{
      v: 1,
      epoch: 1,
      owner: 'before',
      write: 1,
      created: stream.created,
      high: 0,
      highTime: '',
      unsettled: '',
    },
    ...{ window: 100, deaths: 2, starts, run: 0 },
  };
  return {
    ...{ process, position, started, ends },
    publish: (aggregateId: string): void => {
      const options = { topic: 't', codec: jsonCodec, maxPayloadBytes: 1e6, wallMs: 0 };
      stream.append(prepareEvent({ aggregateId, type: 'Counted', payload: 1 }, options));
    },
    own: async (): Promise<void> => {
      if (Object.keys(starts).length > 0) await position.connect().write(record, 0);
      process.epoch = 2;
      process.holds = true;
      process.consumer.own(true);
      await clock.advance(50);
    },
  };
}

function fixture() {
  const clock = new ManualClock(1_000);
  const turns = new AloneTurns(clock);
  const sick = partition(clock, turns, { '1': [1, 0, 1] });
  const well = partition(clock, turns, { '9': [1, 0, 1] });
  return { clock, sick, well };
}

describe('a partition that halts', () => {
  test('because its position does not fit gives the turn to run alone back to other partitions', async () => {
    const { clock, sick, well } = fixture();
    await sick.own();
    await well.own();
    // The claim fitted; the start that is to be written down does not.
    sick.position.maxBytes = 10;
    sick.publish('a');
    await clock.advance(200);
    expect([sick.process.consumer.mode, sick.started]).toEqual(['halted', []]);
    well.publish('b');
    await clock.advance(3_000);
    expect(well.started).toHaveLength(1);
  });

  test('and loses its lease tells its handlers, and how they end counts for nothing', async () => {
    const { clock, sick } = fixture();
    sick.publish('a');
    await sick.own();
    await clock.advance(2_500);
    sick.publish('b');
    await clock.advance(2_000);
    expect(sick.started.map(({ aggregateId }) => aggregateId)).toEqual(['a', 'b']);
    sick.ends[1]!({ stage: 'handler', error: new Error('no stock'), unrecoverable: true });
    await clock.advance(100);
    expect(sick.process.consumer.mode).toBe('halted');
    const { signal } = sick.started[0]!;
    sick.process.holds = false;
    sick.process.consumer.disown('it was not renewed in time');
    expect([signal.aborted, sick.process.consumer.mode]).toEqual([true, 'halted']);
    expect(sick.process.consumer.isClaimed).toBe(false);
  });
});
