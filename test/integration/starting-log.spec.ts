import { expect, test } from '@jest/globals';
import { Controller } from '@nestjs/common';
import { AggregateHandler } from 'nestjs-aggregate-transport';
import { startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();

@Controller()
class Handler {
  @AggregateHandler('starting')
  handle() {
    return undefined;
  }
}

async function linesOfStart(): Promise<string[]> {
  const log = new CapturedLog();
  const app = await startApp({
    options: {
      servers: server().url,
      group: 'billing',
      topics: { starting: { consume: { partitions: 4 } } },
    },
    controllers: [Handler],
    logger: log,
  });
  await log.says(/serves 4 partition/);
  await app.close();
  return log.matching(/topic "starting"(, group "billing")?: (connected|serves)/);
}

test('a start says once per topic and group what was connected, found or made, and shared', async () => {
  const { version, port } = server();
  for (const origin of ['made', 'found']) {
    const lines = await linesOfStart();
    expect(lines).toEqual([
      expect.stringMatching(
        new RegExp(
          `^log topic "starting": connected to nats-server ".+" ${version} at [^@]*:${port}, stream "starting" ${origin}$`,
        ),
      ),
      expect.stringMatching(
        /^log topic "starting", group "billing": serves 4 partition\(s\), layout 0, as replica \S+$/,
      ),
    ]);
  }
});
