import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { treesOf, unionOf } from '../../support/source-texts.js';

const PAGE = readFileSync('docs/postgres.md', 'utf8');

test('docs/postgres.md explains every error code, and no other', () => {
  const source = treesOf('libs/aggregate-transport-postgres/src').get('errors.ts')!;
  const told = [...PAGE.matchAll(/^\| `([A-Z_]+)` /gm)].map(([, code]) => code);
  expect(told.toSorted()).toEqual([...unionOf(source, 'AggregatePostgresErrorCode')].toSorted());
});
