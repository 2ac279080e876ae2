// A service of another transport, for the peers suite: PEER ROLE URL NAME EVENTS KEYS MAX_MS FAIL_SHARE
// PEER: jetstream | jetstream-tuned | jetstream-serial | nats; ROLE: publish | consume.
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientsModule, EventPattern, Payload, Transport } from '@nestjs/microservices';
import { getClientToken, JetstreamModule, JetstreamStrategy } from '@horizon-republic/nestjs-jetstream';
import { lastValueFrom } from 'rxjs';
import { eventOf, HandledEvents, publishAll, serve } from '../../dist/bench/peer-work.js';

const [peer, role, url, name, ...work] = process.argv.slice(2);
const [events, keys, maxMs, failShare] = work.map(Number);
const PATTERN = 'counted';
const handled = new HandledEvents({ events, maxMs, failShare });

class PeerController {
  on({ aggregateId, version }) {
    return handled.handle(aggregateId, version);
  }
}
const descriptor = Object.getOwnPropertyDescriptor(PeerController.prototype, 'on');
Reflect.defineMetadata('design:paramtypes', [Object], PeerController.prototype, 'on');
Payload()(PeerController.prototype, 'on', 0);
EventPattern(PATTERN)(PeerController.prototype, 'on', descriptor);
Controller()(PeerController);

const TUNED = { consumer: { max_ack_pending: 10_000 }, consume: { max_messages: 500 } };
const EVENTS = { jetstream: {}, 'jetstream-tuned': TUNED, 'jetstream-serial': { concurrency: 1 } };
const isNats = peer === 'nats';
const client = isNats ? 'PEER' : getClientToken(name);
const imports = isNats
  ? [
      ClientsModule.register([
        { name: client, transport: Transport.NATS, options: { servers: [url], queue: name } },
      ]),
    ]
  : [
      JetstreamModule.forRoot({ name, servers: [url], events: EVENTS[peer] }),
      JetstreamModule.forFeature({ name }),
    ];

class PeerModule {}
Module({ imports, controllers: role === 'consume' ? [PeerController] : [] })(PeerModule);

const app = await NestFactory.create(PeerModule, { logger: ['error'] });
if (role === 'consume') {
  if (isNats)
    app.connectMicroservice({ transport: Transport.NATS, options: { servers: [url], queue: name } });
  else app.connectMicroservice({ strategy: app.get(JetstreamStrategy) }, { inheritAppConfig: true });
}
await app.init();
if (role === 'consume') await app.startAllMicroservices();
serve(app, handled, () => {
  const proxy = app.get(client);
  return publishAll(events, (index) =>
    lastValueFrom(proxy.emit(PATTERN, eventOf(index, keys)), { defaultValue: 0 }),
  );
});
