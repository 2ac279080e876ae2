import { describe, expect, test } from '@jest/globals';
import { decideAdoption } from '#library/parking/adoption.js';
import type { Marker, ParkedState } from '#library/records/marker.js';

const markerOf = (state: ParkedState, given: Partial<Marker> = {}): Marker => ({
  epoch: 3,
  state,
  made: 0,
  reason: 'EXHAUSTED',
  error: 'Error: no stock',
  attempts: 2,
  sequence: 9,
  since: 5,
  crashes: 0,
  ...given,
});
const died = { epoch: 4, hasDied: true, maxCrashes: 3 };
const rested = { ...died, hasDied: false };

describe('a marker without a letter', () => {
  test.each<[ParkedState]>([['parking'], ['parked'], ['diverted'], ['retrying']])(
    'is removed when it says %s, because its event is not settled and comes again',
    (state) => {
      for (const options of [died, rested]) {
        expect(decideAdoption(markerOf(state, { crashes: 9, made: 6 }), 0, options)).toBeUndefined();
      }
    },
  );
});

describe('a marker with letters keeps its identity', () => {
  test.each<[ParkedState]>([['parking'], ['parked']])('and is parked when it was %s', (state) => {
    const marker = markerOf(state, { command: { id: 'c', kind: 'retry' } });
    for (const options of [died, rested]) {
      expect(decideAdoption(marker, 6, options)).toEqual({ ...marker, epoch: 4, made: 6, state: 'parked' });
    }
  });

  test.each<[ParkedState, boolean, number, number]>([
    ['diverted', false, 0, 0],
    ['diverted', true, 0, 1],
    ['retrying', false, 1, 1],
    ['retrying', true, 1, 2],
  ])('and stays %s; after a death (%p) %i crashes become %i', (state, hasDied, before, after) => {
    const options = { ...died, hasDied };
    expect(decideAdoption(markerOf(state, { crashes: before }), 6, options)).toEqual(
      markerOf(state, { epoch: 4, made: 6, crashes: after }),
    );
  });

  test('a crash counts once, however often its successor adopts the marker', () => {
    const once = decideAdoption(markerOf('retrying'), 6, died)!;
    expect(decideAdoption(once, 6, died)).toEqual(once);
  });

  test.each<[ParkedState]>([['diverted'], ['retrying']])(
    'and is parked as CRASHED after too many crashes while %s, with an answer to the command',
    (state) => {
      const marker = markerOf(state, { crashes: 2, command: { id: 'c', kind: 'retry' } });
      const adopted = decideAdoption(marker, 6, died)!;
      expect(adopted).toMatchObject({ state: 'parked', reason: 'CRASHED', crashes: 0, epoch: 4, made: 6 });
      expect([adopted.command, adopted.answer]).toEqual([undefined, { id: 'c', error: adopted.error }]);
      expect(decideAdoption({ ...marker, crashes: 2 }, 6, rested)?.state).toBe(state);
      const unasked = decideAdoption(markerOf(state, { crashes: 2 }), 6, died)!;
      expect([unasked.state, 'answer' in unasked]).toEqual(['parked', false]);
    },
  );
});
