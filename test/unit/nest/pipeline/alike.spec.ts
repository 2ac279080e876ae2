import { expect, test } from '@jest/globals';
import { runAlike } from '../../../package/projects/alike-cases.js';

// A part of the cases, another one each time. All of them run on each supported version of Nest: `npm run
// test:package`.
test('guards, interceptors, pipes and filters do the same with and without the pipeline of Nest', async () => {
  expect(await runAlike({ every: 40 })).toMatch(/^\d+ cases alike/);
}, 60_000);
