import { expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { inParallel } from '#library/in-parallel.js';

test('works at so many items at once, and keeps their order', async () => {
  let open = 0;
  let most = 0;
  const results = await inParallel([5, 1, 4, 2, 3, 0], 3, async (item, index) => {
    most = Math.max(most, ++open);
    for (let left = item; left > 0; left--) await turn();
    open--;
    return `${index}:${item}`;
  });
  expect(results).toEqual(['0:5', '1:1', '2:4', '3:2', '4:3', '5:0']);
  expect(most).toBe(3);
  expect(await inParallel([], 3, () => Promise.resolve(1))).toEqual([]);
});

test('begins nothing more after a failure', async () => {
  const begun: number[] = [];
  const working = inParallel([0, 1, 2, 3, 4, 5], 2, async (item) => {
    begun.push(item);
    await turn();
    if (item === 1) throw new Error('one failed');
    return item;
  });
  await expect(working).rejects.toThrow('one failed');
  await turn();
  await turn();
  expect(begun.length).toBeLessThanOrEqual(3);
});
