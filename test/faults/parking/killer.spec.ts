import { expect, test } from '@jest/globals';
import { serverForAll } from '../../support/server.js';
import { findKiller } from './killer.js';

// Needs `npm run build`: workers are built code. `--part parking --case killer` tries 1, 3 and 10 attempts.

const server = serverForAll();

test('an event that kills its process is parked, and none of 255 slow ones beside it', async () => {
  const { findings, parked, deaths } = await findKiller({
    ...{ server: server(), topic: 'killer', attempts: 1, innocents: 255, handlerMs: 20 },
  });
  expect({ findings, parked }).toEqual({ findings: [], parked: ['killer'] });
  // Two that raise the suspicion, one in company, one alone.
  expect(deaths).toBeGreaterThanOrEqual(4);
}, 150_000);
