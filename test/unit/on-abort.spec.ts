import { getEventListeners } from 'node:events';
import { expect, test } from '@jest/globals';
import { onAbort } from '#library/on-abort.js';

test('a signal that many wait for has one listener, and tells each of them once', () => {
  const end = new AbortController();
  const told: number[] = [];
  for (let n = 0; n < 30; n++) onAbort(end.signal, () => told.push(n));
  expect(getEventListeners(end.signal, 'abort')).toHaveLength(1);
  end.abort();
  end.abort();
  expect(told).toEqual(Array.from({ length: 30 }, (_, n) => n));
});

test('a wait that ended is not told, and leaves the others', () => {
  const end = new AbortController();
  const told: string[] = [];
  const tell = (): void => void told.push('shared');
  const first = onAbort(end.signal, tell);
  onAbort(end.signal, tell);
  const other = onAbort(end.signal, () => told.push('other'));
  first();
  other();
  end.abort();
  expect(told).toEqual(['shared']);
});

test('a signal has no listener when nothing waits for it, and one again later', () => {
  const end = new AbortController();
  const told: number[] = [];
  onAbort(end.signal, () => told.push(1))();
  expect(getEventListeners(end.signal, 'abort')).toEqual([]);
  onAbort(end.signal, () => told.push(2));
  end.abort();
  expect(told).toEqual([2]);
});
