import { expect, test } from '@jest/globals';
import { judge, type JournalLine } from '../src/break/journal.js';

/** `a handled 1` of order `o`; the replica `a` is the one that is killed. */
function linesOf(...told: readonly string[]): JournalLine[] {
  return told.map((text) => {
    const [replica = '', what = '', version = ''] = text.split(' ');
    return { replica, what: what as JournalLine['what'], order: 'o', version: Number(version) };
  });
}

const handledBy = (replica: string, ...versions: readonly number[]): string[] =>
  versions.flatMap((version) => [`${replica} started ${version}`, `${replica} handled ${version}`]);

function verdictOn(...told: readonly string[]): unknown {
  const { handled, handledAgain, failed, orderViolations, overlaps } = judge(linesOf(...told), 'a');
  return { handled, handledAgain, failed, orderViolations, overlaps };
}

const KEPT = { handledAgain: 0, failed: 0, orderViolations: 0, overlaps: 0 };

test('events that follow each other keep the order, also when one is tried again in its place', () => {
  expect(verdictOn(...handledBy('a', 1), 'a started 2', 'a failed 2', ...handledBy('a', 2, 3))).toEqual({
    ...KEPT,
    handled: 3,
    failed: 1,
  });
});

test('after the kill events come again without a hole, from the event that ran or an earlier one', () => {
  expect(verdictOn(...handledBy('a', 1, 2), 'a started 3', ...handledBy('b', 2, 3, 4))).toEqual({
    ...KEPT,
    handled: 4,
    handledAgain: 1,
  });
});

test.each([
  ['an event that is left out', [...handledBy('a', 1, 3)]],
  ['an event that overtakes a failed one', ['a started 1', 'a failed 1', ...handledBy('a', 2)]],
  ['a hole in what comes again', [...handledBy('a', 1, 2, 3), ...handledBy('b', 1, 3)]],
  ['a second return without a kill', [...handledBy('a', 1, 2), ...handledBy('b', 1, 2, 1)]],
  ['a return in the replica that was killed later', [...handledBy('a', 1, 2, 1)]],
])('%s violates the order', (_what, told) => {
  expect(verdictOn(...told)).toMatchObject({ orderViolations: 1 });
});

test.each([
  ['in the living replica', ['b started 1', 'b started 2']],
  ['in both replicas', ['b started 1', 'a started 1']],
])('two handlers of one order at once are counted, %s', (_where, told) => {
  expect(verdictOn(...told)).toMatchObject({ overlaps: 1 });
});
