import { expect, test } from '@jest/globals';
import { runScript } from '../support/run-script.js';
import { serverForAll } from '../support/server.js';

// Needs `npm run build`: the service is built code.

const server = serverForAll();
const TOPICS = '30';
const WORKER = 'dist/test/support/many-topics-worker.js';

test.each(['perTopic', 'shared'])(
  'a service with 30 topics starts and closes without a warning of Node, connections %s',
  async (mode) => {
    const { code, output } = await runScript(WORKER, ['starting', server().url, TOPICS, mode]);
    expect([code, output]).toEqual([0, 'started\nclosed\n']);
  },
  60_000,
);

test.each(['perTopic', 'shared'])(
  'a service with 30 topics that is closed while it connects ends without a warning of Node, connections %s',
  async (mode) => {
    const { code, output } = await runScript(WORKER, ['closing', 'nats://127.0.0.1:9', TOPICS, mode]);
    expect([code, output]).toEqual([0, 'closed\n']);
  },
  60_000,
);
