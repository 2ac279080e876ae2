import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { assign, type GroupView } from '#library/consumer/ownership/assignment.js';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const GONE = 'gone';

/** Some live replicas, and partitions held by any of them, by one that is gone, or by none. */
const view: fc.Arbitrary<GroupView> = fc
  .record({
    members: fc.subarray(NAMES, { minLength: 1 }),
    partitions: fc.constantFrom(1, 2, 4, 8, 16, 32),
  })
  .chain(({ members, partitions }) =>
    fc.record({
      members: fc.constant(members),
      owners: fc.array(fc.constantFrom(...members, ...NAMES, GONE, undefined), {
        minLength: partitions,
        maxLength: partitions,
      }),
    }),
  );

function countsOf(members: readonly string[], assigned: readonly (string | undefined)[]): number[] {
  return members.map((member) => assigned.filter((one) => one === member).length);
}

/** Partitions that leave an owner which is alive. */
function movesOf({ members, owners }: GroupView, assigned: readonly (string | undefined)[]): number {
  return owners.filter(
    (owner, index) => owner !== undefined && members.includes(owner) && assigned[index] !== owner,
  ).length;
}

/** The fewest moves by trying who gets the partitions that are left over. */
function fewestMoves({ members, owners }: GroupView): number {
  const least = Math.floor(owners.length / members.length);
  const extra = owners.length - least * members.length;
  let fewest = Number.POSITIVE_INFINITY;
  for (let choice = 0; choice < 2 ** members.length; choice++) {
    const favoured = members.filter((_, index) => (choice >> index) % 2 === 1);
    if (favoured.length !== extra) continue;
    const moves = members.map((member) => {
      const held = owners.filter((owner) => owner === member).length;
      return Math.max(0, held - least - (favoured.includes(member) ? 1 : 0));
    });
    fewest = Math.min(
      fewest,
      moves.reduce((sum, one) => sum + one, 0),
    );
  }
  return fewest;
}

test('every partition is assigned to a member, and two members differ by one at most', () => {
  fc.assert(
    fc.property(view, (given) => {
      const assigned = assign(given);
      expect(assigned.every((one) => one !== undefined && given.members.includes(one))).toBe(true);
      const counts = countsOf(given.members, assigned);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }),
  );
});

test('no even assignment takes fewer partitions from live owners', () => {
  fc.assert(
    fc.property(view, (given) => {
      expect(movesOf(given, assign(given))).toBe(fewestMoves(given));
    }),
  );
});

test('the same view has the same answer, for any order and repetition of its members', () => {
  fc.assert(
    fc.property(view, fc.nat(), ({ members, owners }, seed) => {
      const turned = [...members.slice(seed % members.length), ...members.slice(0, seed % members.length)];
      expect(assign({ members: [...turned, ...turned].reverse(), owners })).toEqual(
        assign({ members, owners }),
      );
    }),
  );
});

test('the answer stays while partitions change hands one by one, in any order', () => {
  fc.assert(
    fc.property(view, fc.infiniteStream(fc.nat()), ({ members, owners }, random) => {
      const target = assign({ members, owners });
      const now = [...owners];
      for (;;) {
        const open = now.flatMap((owner, index) => (owner === target[index] ? [] : [index]));
        if (open.length === 0) break;
        const index = open[(random.next().value as number) % open.length]!;
        now[index] = now[index] === undefined ? target[index] : undefined;
        expect(assign({ members, owners: now })).toEqual(target);
      }
    }),
  );
});

test('replicas that act on views of different age end with an even share, and then nothing moves any more', () => {
  fc.assert(
    fc.property(view, fc.infiniteStream(fc.nat()), ({ members, owners }, random) => {
      const now = owners.map((owner) => (owner !== undefined && members.includes(owner) ? owner : undefined));
      let seen = [...now];
      // Each acts as a replica does: it lets go what its own view gives away, and takes what is free and its own. What
      // it holds itself it always knows.
      for (let step = 0; step < 40; step++) {
        if ((random.next().value as number) % 3 === 0) seen = [...now];
        const actor = members[(random.next().value as number) % members.length]!;
        const view = seen.map((owner, index) =>
          now[index] === actor ? actor : owner === actor ? undefined : owner,
        );
        const assigned = assign({ members, owners: view });
        for (const [index, to] of assigned.entries()) {
          if (now[index] === actor && to !== actor) now[index] = undefined;
          else if (now[index] === undefined && to === actor) now[index] = actor;
        }
      }
      // Then all see the same.
      for (let round = 0; round < 2; round++) {
        for (const actor of members) {
          for (const [index, to] of assign({ members, owners: now }).entries()) {
            if (now[index] === actor && to !== actor) now[index] = undefined;
            else if (now[index] === undefined && to === actor) now[index] = actor;
          }
        }
      }
      const counts = countsOf(members, now);
      expect(now.includes(undefined)).toBe(false);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      expect(assign({ members, owners: now })).toEqual(now);
    }),
  );
});

test('one that joins four others gets its share and no partition moves between the others', () => {
  const owners = 'a a b b c c d d'.split(' ');
  expect(assign({ members: ['a', 'b', 'c', 'd', 'e'], owners }).join(' ')).toBe('a a b b c c d e');
  expect(assign({ members: ['a', 'e'], owners: Array<string>(4).fill('a') }).join(' ')).toBe('a a e e');
});

test('without members no partition is assigned', () => {
  expect(assign({ members: [], owners: ['a', undefined] })).toEqual([undefined, undefined]);
});
