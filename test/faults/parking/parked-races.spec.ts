import { beforeAll, describe, expect, test } from '@jest/globals';
import { serverForAll } from '../../support/server.js';
import { fillParkedStream, type FullStreamResult } from './full-stream.js';
import { interruptAt } from './interrupt.js';
import { hangLargeEvents, type LargeEventsResult } from './large-events.js';
import { raceRetries } from './retry-race.js';
import { retryBeforeRepeats } from './retry-waits.js';

// Needs `npm run build`: workers are built code.

const server = serverForAll();
const SEED = 7;

let race: readonly string[];
let full: FullStreamResult;
let killed: readonly string[];
let waited: readonly string[];
let large: LargeEventsResult;
/** Promises found broken, by the switch. */
const broken = new Map<string, string[]>();

/** Most of a story is waiting, so all are told at once. */
beforeAll(async () => {
  const keep = (rule: string, findings: readonly string[]): void => {
    broken.set(
      rule,
      findings.map((text) => text.split(':', 1)[0]!),
    );
  };
  const step = 'park: marker says parked';
  await Promise.all([
    raceRetries({ server: server(), topic: 'race', seed: SEED }).then((findings) => (race = findings)),
    raceRetries({ server: server(), topic: 'race-killed', seed: SEED, kills: 2 }).then(
      (findings) => (killed = findings),
    ),
    retryBeforeRepeats(server(), 'retry-waits').then((findings) => (waited = findings)),
    hangLargeEvents(server(), 'large').then((result) => (large = result)),
    fillParkedStream(server(), 'full').then((result) => (full = result)),
    raceRetries({
      server: server(),
      topic: 'race-sabotaged',
      seed: SEED,
      sabotage: 'unpark-without-check',
    }).then((findings) => keep('unpark-without-check', findings)),
    interruptAt({ server: server(), step, fault: 'kill', sabotage: 'markers-not-loaded' }).then(
      ({ findings }) => keep('markers-not-loaded', findings),
    ),
    fillParkedStream(server(), 'full-sabotaged', 'settle-before-letter').then(({ findings }) =>
      keep('settle-before-letter', findings),
    ),
  ]);
}, 90_000);

test('events published while their aggregates are retried are neither lost nor out of order', () => {
  expect(race).toEqual([]);
});

test('nor are they when owners are killed meanwhile', () => {
  expect(killed).toEqual([]);
});

test('a retry that a dead owner left waits until the events before the letters have come again', () => {
  expect(waited).toEqual([]);
});

test('beside a hung aggregate whose events fill the buffer the others continue', () => {
  expect(large).toEqual({ findings: [], beside: 20 });
});

test('a full parked stream drops nothing: its aggregate waits, others continue until the partition is full', () => {
  const { findings, besides, whileFull, said } = full;
  expect(besides).toBe(2);
  expect(whileFull).toBe(0);
  expect(said[0]).toMatch(/expected the parked stream to take a letter .* make room/);
  expect(findings).toEqual([]);
});

describe('a checker turns red without the rule', () => {
  test('that the marker stands until no letter is left', () => {
    expect(broken.get('unpark-without-check')).toEqual(expect.arrayContaining(['lost']));
  });

  test('that a new owner reads the markers of earlier ones', () => {
    expect(broken.get('markers-not-loaded')).toEqual(expect.arrayContaining(['parked-waits']));
  });

  test('that an event is settled when its letter is confirmed', () => {
    expect(broken.get('settle-before-letter')).toEqual(expect.arrayContaining(['positions-tell-the-truth']));
  });
});
