import { expect, test } from '@jest/globals';
import { placeBelow } from '#board/nest/board.controller.js';

test.each([
  ['/aggregates', '/aggregates', { path: '/', base: './aggregates/' }],
  ['/aggregates/', '/aggregates', { path: '/', base: '' }],
  ['/api/v1/aggregates', 'aggregates', { path: '/', base: './aggregates/' }],
  ['/api/Aggregates/live', '/aggregates/', { path: '/live', base: '' }],
  ['/ops/board/assets/board.js', '/ops/board', { path: '/assets/board.js', base: '' }],
  ['/x/board/assets/board.1a2b.js', '/board', { path: '/assets/board.1a2b.js', base: '' }],
  ['/board/board', '/board', { path: '/', base: './board/' }],
])('%s of a board at %s', (full, path, place) => {
  expect(placeBelow(full, path)).toEqual(place);
});
