import { describe, expect, test } from '@jest/globals';
import type { LetterEvent } from '#library/parking/parked-port.js';
import type { Marker } from '#library/records/marker.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryParked } from '#library/testing/memory/memory-parked.js';

function fixture(maxLetters = 10) {
  const clock = new ManualClock();
  const parked = new MemoryParked({ maxLetters, clock, moved: () => undefined });
  return { clock, parked, port: parked.connect('g', '') };
}

function eventAt(sequence: number): LetterEvent {
  return {
    token: 'a',
    sequence,
    origin: {
      body: new Uint8Array([sequence]),
      readHeaders: () => ({ 'Nats-Msg-Id': 'a:1', own: 'yes' }),
      readStoredAt: () => '1767225600123456789',
    },
  };
}

function markerOf(more: Partial<Marker> = {}): Marker {
  return {
    ...{ epoch: 1, state: 'parked', made: 0, reason: 'EXHAUSTED', error: 'x' },
    ...{ attempts: 1, sequence: 1, since: 0, crashes: 0 },
    ...more,
  };
}

describe('letters', () => {
  test('carry the time at which their event was stored, in milliseconds', async () => {
    const { port } = fixture();
    expect(await port.append([eventAt(1)], { marker: 1, stream: 's' }, 0)).toEqual({
      kind: 'stored',
      position: 1,
      count: 1,
    });
    expect(await port.last('a')).toMatchObject({
      note: { marker: 1, sequence: 1, stream: 's', storedAt: 1_767_225_600_123 },
      headers: { own: 'yes' },
    });
  });

  test('are refused when another letter came first, or there is no room', async () => {
    const { port } = fixture(2);
    const note = { marker: 1, stream: 's' };
    await port.append([eventAt(1)], note, 0);
    expect(await port.append([eventAt(2)], note, 0)).toEqual({ kind: 'moved' });
    await port.append([eventAt(2)], note, 1);
    expect(await port.append([eventAt(3)], note, 2)).toMatchObject({ kind: 'refused' });
  });

  test('are stored together if all of them fit, and else the first one alone', async () => {
    const { port } = fixture(3);
    const note = { marker: 1, stream: 's' };
    const both = await port.append([eventAt(1), eventAt(2)], note, 0);
    expect(both).toEqual({ kind: 'stored', position: 2, count: 2 });
    expect(await port.append([eventAt(3), eventAt(4)], note, 2)).toMatchObject({ position: 3, count: 1 });
  });

  test('of a skipped event are stored once per stream', async () => {
    const { port } = fixture();
    const first = await port.appendSkipped(eventAt(1), { stream: 's' });
    expect(await port.appendSkipped(eventAt(1), { stream: 's' })).toEqual(first);
    expect(await port.appendSkipped(eventAt(1), { stream: 'made again' })).toEqual({
      kind: 'stored',
      position: 2,
      count: 1,
    });
  });
});

test('a group holds something until its last marker and letter are gone', async () => {
  const { parked, port } = fixture();
  expect(parked.holds('g')).toBe(false);
  const revision = await port.writeMarker('a', markerOf(), 0);
  await port.append([eventAt(1)], { marker: revision!, stream: 's' }, 0);
  await port.removeMarker(revision!);
  expect([parked.holds('g'), parked.holds('other')]).toEqual([true, false]);
  await port.removeLetter(1);
  expect(parked.holds('g')).toBe(false);
});

test('announces refused writes of a marker too', async () => {
  const { clock, port } = fixture();
  const heard: unknown[] = [];
  port.onMarker((token, { epoch }) => heard.push([token, epoch]));
  expect(await port.writeMarker('a', markerOf(), 7)).toBeUndefined();
  await clock.settle();
  expect(heard).toEqual([['a', 1]]);
});
