import { describe, expect, test } from '@jest/globals';
import { serverForAll } from '../../support/server.js';
import { fillParkedStream } from './full-stream.js';
import { interruptAt } from './interrupt.js';
import { raceRetries } from './retry-race.js';

// Needs `npm run build`: workers are built code.

const server = serverForAll();
const SEED = 7;

test('events published while their aggregates are retried are neither lost nor out of order', async () => {
  expect(await raceRetries(server(), 'race', SEED)).toEqual([]);
}, 60_000);

test('a full parked stream drops nothing: its aggregate waits, others go on until the partition is full', async () => {
  const { findings, besides, whileFull, said } = await fillParkedStream(server(), 'full');
  expect(besides).toBe(2);
  expect(whileFull).toBe(0);
  expect(said.length).toBeGreaterThan(0);
  expect(said[0]).toMatch(/expected the parked stream to take a letter .* make room/);
  expect(findings).toEqual([]);
}, 60_000);

describe('C7 turns red without the rule', () => {
  const rulesIn = (findings: readonly string[]): string[] => findings.map((text) => text.split(':', 1)[0]!);

  test('that the marker stands until no letter is left', async () => {
    const findings = await raceRetries(server(), 'race-sabotaged', SEED, 'unpark-without-check');
    expect(rulesIn(findings)).toEqual(expect.arrayContaining(['left']));
  }, 60_000);

  test('that a new owner reads the markers of earlier ones', async () => {
    const { findings } = await interruptAt({
      server: server(),
      step: 'park: marker says parked',
      fault: 'kill',
      sabotage: 'markers-not-loaded',
    });
    expect(rulesIn(findings)).toEqual(expect.arrayContaining(['live']));
  }, 60_000);

  test('that an event is acked when its letter is confirmed', async () => {
    const { findings } = await fillParkedStream(server(), 'full-sabotaged', 'ack-before-letter');
    expect(rulesIn(findings)).toEqual(expect.arrayContaining(['lost']));
  }, 60_000);
});
