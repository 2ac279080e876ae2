import { expect, test } from '@jest/globals';
import { checkOwners, checkShare } from './check-share.js';
import type { GroupLook } from './leases.js';

function look(
  owners: readonly (string | undefined)[],
  members: readonly string[],
  revision: number,
): GroupLook {
  return {
    members,
    leases: owners.map((owner) => (owner === undefined ? undefined : { owner, released: false, revision })),
  };
}

function textsOf(owners: readonly (string | undefined)[], members: readonly string[], replicas: number) {
  return checkShare(look(owners, members, 1), replicas).map(({ text }) => text);
}

test('a group in which each partition has a live owner and all have their share is green', () => {
  const owners = ['a', 'b', 'a', 'b', 'c'];
  expect(textsOf(owners, ['a', 'b', 'c'], 3)).toEqual([]);
  expect(checkOwners(look(owners, [], 1), look(owners, [], 2))).toEqual([]);
});

test('a partition without a lease, one that is let go, and one that is not renewed are found', () => {
  expect(checkOwners(look(['a', 'a'], ['a'], 1), look(['a', undefined], ['a'], 2))).toEqual([
    { checker: 'even-share', text: 'partition 1 has no lease' },
  ]);
  const still = look(['a', 'a'], ['a'], 1);
  expect(checkOwners(still, still)).toHaveLength(2);
  const released = { ...still, leases: [{ owner: 'a', released: true, revision: 2 }] };
  expect(checkOwners(still, released)[0]?.text).toMatch(/was let go by a, and no replica took it/);
});

test('an uneven share, a replica with nothing and a record of one that is gone are found', () => {
  expect(textsOf(['a', 'a', 'a', 'b'], ['a', 'b'], 2)).toEqual(['partitions per replica are 3, 1']);
  expect(textsOf(['a', 'a'], ['a', 'b'], 2)).toEqual(['partitions per replica are 2, 0']);
  expect(textsOf(['a', 'b'], ['a', 'b', 'gone'], 2)[0]).toMatch(/^3 replicas are listed/);
});
