import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { UNMADE } from '#library/consumer/layout-marks.js';
import type { LeaseRecord } from '#library/records/lease-record.js';
import { planLayout } from '#library/consumer/repartition/initial-positions.js';
import { SettledBefore } from '#library/consumer/position/settled-before.js';
import { sourcesOf } from '#library/records/group-record.js';
import { partitionOf } from '#library/message/partitioning.js';
import { readPosition, storePosition } from '#library/records/position-record.js';

const CREATED = 'then';

/** A stream of events, some delivered by the partitions of a layout and settled in the order of their aggregates. */
const world = fc.record({
  from: fc.integer({ min: 0, max: 4 }).map((bits) => 2 ** bits),
  to: fc.integer({ min: 0, max: 4 }).map((bits) => 2 ** bits),
  /** The aggregate of each event. */
  events: fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 120 }),
  /** How far each old partition was delivered, as a part of the stream. */
  reach: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 16, maxLength: 16 }),
  /** How many of its events each aggregate has settled, as a part of those delivered. */
  share: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 31, maxLength: 31 }),
});

interface Event {
  readonly token: string;
  readonly sequence: number;
}

type World = typeof world extends fc.Arbitrary<infer T> ? T : never;

function play({ from, to, events, reach, share }: World) {
  const stream: Event[] = events.map((key, index) => ({ token: `order-${key}`, sequence: index + 1 }));
  const delivered = (partition: number): number => Math.floor(reach[partition]! * stream.length);
  const isDelivered = ({ token, sequence }: Event): boolean =>
    sequence <= delivered(partitionOf(token, from));
  const settled = new Set<number>();
  for (let key = 0; key < share.length; key++) {
    const own = stream.filter((event) => event.token === `order-${key}` && isDelivered(event));
    for (const { sequence } of own.slice(0, Math.floor(share[key]! * (own.length + 1))))
      settled.add(sequence);
  }
  const drained = Array.from({ length: from }, (_, partition) => {
    const own = stream.filter(({ token }) => partitionOf(token, from) === partition);
    const unsettled = own.filter((event) => isDelivered(event) && !settled.has(event.sequence));
    const position = {
      delivered: delivered(partition),
      unsettled: unsettled.map(({ sequence }) => sequence),
    };
    const behind = own.find(({ sequence }) => sequence > position.delivered)?.sequence ?? stream.length + 1;
    const lease: LeaseRecord = {
      ...{ owner: 'a', ttlMs: 1, epoch: partition + 3, released: true, floor: 0, streamCreated: CREATED },
      ...{ generation: 0, retired: [] },
      drained: { change: 5, ...storePosition(position) },
    };
    return { lease, firstUnsettled: position.unsettled[0] ?? behind };
  });
  const planned = planLayout({ change: { number: 5, to }, drained, streamCreated: CREATED });
  return { stream, settled, drained, planned };
}

describe('a new layout', () => {
  test('handles every event once that was not settled, in the order of its aggregate, and none that was', () => {
    fc.assert(
      fc.property(world, (given) => {
        const { from, to } = given;
        const { stream, settled, drained, planned } = play(given);
        const handled: number[] = [];
        for (const [partition, lease] of planned.entries()) {
          const positions = sourcesOf(partition, to, from).map(
            (source) => [source, readPosition(drained[source]!.lease.drained!)] as const,
          );
          const before = lease.origin === undefined ? undefined : new SettledBefore(from, new Map(positions));
          for (const event of stream) {
            const isDelivered = partitionOf(event.token, to) === partition && event.sequence > lease.floor;
            if (isDelivered && before?.has(event) !== true) handled.push(event.sequence);
          }
        }
        const expected = stream.map(({ sequence }) => sequence).filter((sequence) => !settled.has(sequence));
        expect(handled.toSorted((a, b) => a - b)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test('its epochs go on from the highest of all, and its consumers are still to be made', () => {
    fc.assert(
      fc.property(world, (given) => {
        const { drained, planned } = play(given);
        const highest = Math.max(...drained.map(({ lease }) => lease.epoch));
        expect(planned).toHaveLength(given.to);
        for (const lease of planned)
          expect(lease).toMatchObject({ epoch: highest, generation: UNMADE, layout: 5, released: true });
      }),
    );
  });

  test('a source that was drained in another stream of the name counts for nothing: all of this one comes', () => {
    const lease: LeaseRecord = {
      ...{ owner: 'a', ttlMs: 1, epoch: 3, released: true, floor: 9, streamCreated: 'before' },
      ...{ generation: 0, retired: [], drained: { change: 1, delivered: 9, unsettled: '' } },
    };
    const [first] = planLayout({
      change: { number: 1, to: 1 },
      drained: [{ lease, firstUnsettled: 10 }],
      streamCreated: CREATED,
    });
    expect(first?.floor).toBe(0);
  });
});
