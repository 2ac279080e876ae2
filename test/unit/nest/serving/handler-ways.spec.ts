import { expect, test } from '@jest/globals';
import { wayOf, WAYS } from '../../../package/projects/ways.js';

// The same cases run on each supported version of Nest: `npm run test:package`.
test.each(WAYS.map(([name, expected, made]) => ({ name, expected, made })))(
  '$name: called $expected',
  async ({ expected, made }) => {
    expect(await wayOf(made)).toBe(expected);
  },
);
