import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { measure } from '#library/verifying/measures.js';
import { Journal } from '#library/verifying/harness/journal.js';
import type { PublisherLine, ReplicaLine, RunLine } from '#library/verifying/process-lines.js';
import { readHistory } from '#library/verifying/recorded-history.js';
import type { Life } from '#library/verifying/slot.js';
import { verdictOf } from '#library/verifying/verdict.js';
import type { VerificationRun } from '#library/verifying/verification.js';
import { goodHistory } from '../judging/example.js';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function runOf(change: Partial<VerificationRun> = {}): VerificationRun {
  return {
    settings: {
      ...{ topic: 'aggregate-verify-1', group: 'verify', events: 8, aggregates: 2 },
      ...{ seconds: 10, replicas: 2, partitions: 1, seed: 7 },
    },
    history: { ...goodHistory(), errors: new Map(), failedAttempts: 1 },
    faults: new Map([['kill', 1]]),
    skipped: [],
    ...{ parked: 0, replayed: 0, retriedTooEarly: 0, isPublished: true, folder: '/nowhere' },
    ...change,
  };
}

test('a run with too few failovers is not proven, and says why', () => {
  const verdict = verdictOf(runOf());
  expect(verdict).toMatchObject({ verdict: 'unproven', failovers: 1, repeats: 1, broken: {} });
  expect(verdict.lacks).toEqual(['owners changed 1 times, expected 2 at least; give it more seconds']);
});

test('a run in which enough happened is green', () => {
  const history = goodHistory();
  history.runs = history.runs.map((one) => (one.aggregateId === 'l' ? { ...one, token: 3 } : one));
  const verdict = verdictOf(runOf({ history: { ...history, errors: new Map(), failedAttempts: 1 } }));
  expect(verdict).toMatchObject({
    ...{ verdict: 'green', failovers: 2, aggregates: 2, faults: { kill: 1 }, findings: [], lacks: [] },
    events: { published: 8, stored: 8, refused: 0, unknown: 0, handled: 8 },
    failoverMs: { count: 1, median: 3_980, worst: 3_980 },
  });
});

test('a broken promise is red beside all that lacks, and shows the history around it', () => {
  const history = goodHistory();
  history.runs = history.runs.filter(({ sequence }) => sequence !== 3);
  const verdict = verdictOf(runOf({ history: { ...history, errors: new Map(), failedAttempts: 1 } }));
  expect(verdict.verdict).toBe('red');
  expect(verdict.broken).toEqual({ order: 2, fencing: 1, 'nothing-lost': 1 });
  const found = verdict.findings.find(({ promise }) => promise === 'order');
  expect(found?.around.join('\n')).toMatch(/^2 .*\n2 .*\n4 .* first, token 1.*\n4 .* second, token 2/);
  expect(found?.around.at(-1)).toContain('kill of first');
});

test('publishers that could not finish leave a run unproven', () => {
  expect(verdictOf(runOf({ isPublished: false })).lacks).toContain(
    'the publishers could not get rid of their events in time',
  );
});

test('a gap is the longest time in which a partition handled nothing', () => {
  expect(measure(goodHistory()).worstGapMs).toBe(3_990);
});

test('the history is read from journals, whose last lines a kill may have cut', () => {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-'));
  folders.push(folder);
  const life = (name: string, change: Partial<Life> = {}): Life => ({
    ...{ name, journal: join(folder, name), from: 0, to: Infinity, how: undefined, isExpected: true },
    ...change,
  });
  const replica = new Journal<ReplicaLine>(join(folder, 'replica'));
  const line: RunLine = {
    ...{ aggregateId: 'k', number: 1, sequence: 5, partition: 0, token: 3, attempt: 1 },
  };
  replica.write({ what: 'start', ...line });
  replica.write({ what: 'end', ok: false, error: 'TypeError: no stock', ...line });
  replica.write({ what: 'start', ...line, attempt: 2 });
  replica.write({ what: 'stood-still', ms: 700 });
  replica.close();
  const publisher = new Journal<PublisherLine>(join(folder, 'publisher'));
  publisher.write({ what: 'call', aggregateId: 'k', number: 1 });
  publisher.write({ what: 'stored', aggregateId: 'k', number: 1, sequence: 5 });
  publisher.write({ what: 'call', aggregateId: 'k', number: 2 });
  publisher.close();
  const history = readHistory({
    replicas: [life('replica', { how: 'code 1', isExpected: false, to: 1e12 }), life('never-ready')],
    publishers: [life('publisher')],
    ...{ disturbances: [], stored: [], leaseTtlMs: 1_500, rest: { unsettled: 0, parked: 0 } },
  });
  expect(history.runs.map(({ outcome }) => outcome)).toEqual(['failed', undefined]);
  expect(history.runs[0]).toMatchObject({ start: 0, process: 'replica', sequence: 5, token: 3 });
  expect(history.disturbances.map(({ kind }) => kind)).toEqual(['stood-still', 'ended']);
  expect([...history.errors]).toEqual([['TypeError: no stock', 1]]);
  expect(history.published.map(({ outcome }) => outcome)).toEqual(['stored', 'unknown']);
});
