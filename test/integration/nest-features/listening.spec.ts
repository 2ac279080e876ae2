import { expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { AggregateHandler, AggregateServer, AggregateTransportModule } from 'nestjs-aggregate-transport';
import { ManualClock } from 'nestjs-aggregate-transport/testing';
import { silentLog } from '#library/log.js';
import { resolveOptions } from '#library/transport/resolve-options.js';
import { TopicLinks } from '#library/transport/open-topics.js';
import { CapturedLog } from '../../support/captured-log.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();

@Controller()
class Handler {
  @AggregateHandler('listening')
  handle() {}
}

@Controller()
class Other {}

async function bootstrap(
  controller: typeof Handler | typeof Other,
): Promise<{ app: INestApplication; clock: ManualClock; log: CapturedLog }> {
  const options = { servers: server().url, group: 'listening', topics: { listening: {} } };
  const [clock, log] = [new ManualClock(), new CapturedLog()];
  const module = await Test.createTestingModule({
    imports: [AggregateTransportModule.forRoot(options)],
    controllers: [controller],
  })
    .overrideProvider(TopicLinks)
    .useValue(new TopicLinks(resolveOptions(options), clock, silentLog))
    .setLogger(log)
    .compile();
  const app = module.createNestApplication();
  await app.init();
  return { app, clock, log };
}

const FORGOTTEN =
  /error expected the server of 1 handlers \(Handler\.handle\) to listen 10 s after bootstrap.*startAllMicroservices/;

test('handlers whose server does not listen ten seconds after bootstrap are reported at error level', async () => {
  const { app, clock, log } = await bootstrap(Handler);
  await clock.advance(9_999);
  expect(log.matching(FORGOTTEN)).toEqual([]);
  await clock.advance(1);
  expect(log.matching(FORGOTTEN)).toHaveLength(1);
  await app.close();
});

test('nothing is reported of a server that listens, of no handlers, and after the end', async () => {
  const listening = await bootstrap(Handler);
  listening.app.connectMicroservice({ strategy: listening.app.get(AggregateServer) });
  await listening.app.startAllMicroservices();
  const publishing = await bootstrap(Other);
  const closed = await bootstrap(Handler);
  await closed.app.close();
  for (const { clock, log } of [listening, publishing, closed]) {
    await clock.advance(20_000);
    expect(log.matching(FORGOTTEN)).toEqual([]);
  }
  await listening.app.close();
  await publishing.app.close();
});
