import { describe, expect, test } from '@jest/globals';
import { Controller, Injectable, Module, type Provider, Scope, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Transport } from '@nestjs/microservices';
import { connect } from 'nats';
import {
  AggregateHandler,
  AggregateServer,
  AggregateTransportModule,
  type AggregateTransportOptions,
} from 'nestjs-aggregate-transport';
import { createPure, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { SAYS_ALL } from '../support/says-all.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();

function optionsOf(topic: string): AggregateTransportOptions {
  return { servers: server().url, group: topic, topics: { [topic]: {} } };
}

@Controller()
class Handler {
  @AggregateHandler('kinds', { type: 'A' })
  handle() {}
}
@Controller()
class SameType {
  @AggregateHandler('kinds', { type: ['B', 'A'] })
  again() {}
}
@Controller()
class Replaced {
  @EventPattern<unknown>('kinds', Transport.TCP)
  @AggregateHandler('kinds')
  handle() {}
}
class NoController {
  @AggregateHandler('kinds', { type: 'C' })
  handle() {}
}

describe('a handler where Nest never looks ends the start-up also of an application that connects no server', () => {
  test.each<[what: string, provider: Provider]>([
    ['on a class', NoController],
    ['on a value', { provide: 'VALUE', useValue: new NoController() }],
    ['on what a factory made', { provide: 'MADE', useFactory: () => new NoController() }],
    ['on what a promise gave', { provide: 'LATER', useFactory: () => Promise.resolve(new NoController()) }],
  ])('%s', async (_what, provider) => {
    const starting = startApp({ options: optionsOf('kinds'), providers: [provider] });
    await expect(starting).rejects.toMatchObject({ code: 'HANDLER_MISPLACED' });
    await expect(starting).rejects.toThrow(/on provider NoController\.handle/);
    await expect(starting).rejects.toThrow(SAYS_ALL);
  });
});

test('the search makes nothing, asks no getter or proxy, and does not take an instance of a controller for a mistake', async () => {
  const touched: string[] = [];
  class Value {
    get lazy(): number {
      touched.push('a getter');
      return 1;
    }
  }
  @Injectable({ scope: Scope.REQUEST })
  class PerRequest {
    constructor() {
      touched.push('a class per request');
    }
  }
  const makeLater = (): object => {
    touched.push('a factory per request');
    return {};
  };
  const proxy = new Proxy(
    {},
    {
      getPrototypeOf: () => {
        touched.push('a proxy');
        return Object.prototype;
      },
    },
  );
  const app = await startApp({
    options: optionsOf('kinds'),
    controllers: [Handler],
    providers: [
      PerRequest,
      { provide: 'PER_REQUEST', useFactory: makeLater, scope: Scope.REQUEST },
      { provide: 'GETTER', useValue: new Value() },
      { provide: 'PROXY', useFactory: () => proxy },
      { provide: 'NULL', useValue: null },
      { provide: 'TEXT', useValue: 'text' },
      { provide: 'BARE', useValue: Object.create(null) as object },
      { provide: 'CONTROLLER', useFactory: () => new Handler() },
    ],
  });
  await app.close();
  expect(touched).toEqual([]);
});

describe('a pure microservice ends its start-up, named, and does not hang', () => {
  interface Mistake {
    readonly controllers: Type[];
    readonly providers?: Provider[];
    readonly servers?: string;
  }
  test.each<[what: string, mistake: Mistake, code: string]>([
    ['two handlers for one type', { controllers: [Handler, SameType] }, 'HANDLER_DUPLICATE'],
    [
      'a handler that is no controller',
      { controllers: [Handler], providers: [NoController] },
      'HANDLER_MISPLACED',
    ],
    ['another pattern decorator above ours', { controllers: [Replaced] }, 'OPTIONS_INVALID'],
    ['no handlers', { controllers: [] }, 'HANDLER_MISSING'],
    [
      'an address without a server',
      { controllers: [Handler], servers: 'nats://127.0.0.1:1' },
      'CONNECTION_FAILED',
    ],
  ])(
    '%s',
    async (_what, { controllers, providers = [], servers = server().url }, code) => {
      @Module({
        imports: [AggregateTransportModule.forRoot({ ...optionsOf('kinds'), servers })],
        controllers,
        providers,
      })
      class PureModule {}
      const app = await createPure(PureModule);
      try {
        const starting = app.listen();
        await expect(starting).rejects.toMatchObject({ code });
        await expect(starting).rejects.toThrow(SAYS_ALL);
      } finally {
        await app.close();
      }
    },
    8_000,
  );
});

test('microservices that start before the application is initialised are checked, too', async () => {
  @Module({
    imports: [AggregateTransportModule.forRoot(optionsOf('kinds'))],
    controllers: [Handler],
    providers: [NoController],
  })
  class HybridModule {}
  const app = await NestFactory.create(HybridModule, { logger: false, abortOnError: false });
  try {
    app.connectMicroservice({ strategy: app.get(AggregateServer) });
    await expect(app.startAllMicroservices()).rejects.toMatchObject({ code: 'HANDLER_MISPLACED' });
  } finally {
    await app.close();
  }
});

test('two handlers for one type end the start-up before the server has anything of their group', async () => {
  @Controller()
  class One {
    @AggregateHandler('twice', { type: 'A' })
    handle() {}
  }
  @Controller()
  class Two {
    @AggregateHandler('twice', { type: 'A' })
    handle() {}
  }
  const start = (controllers: Type[]): ReturnType<typeof startApp> =>
    startApp({ options: optionsOf('twice'), controllers });
  const nats = await connect({ servers: server().url });
  try {
    const manager = await nats.jetstreamManager();
    const made = async (): Promise<boolean[]> => {
      const streams = await manager.streams.names().next();
      const record = { last_by_subj: '$KV.twice_positions.group.twice' };
      return [
        (await manager.consumers.list('twice').next()).length > 0,
        streams.includes('twice_parked'),
        streams.includes('twice_positions'),
        (await manager.streams.getMessage('twice_positions', record).catch(() => undefined)) !== undefined,
      ];
    };
    await expect(start([One, Two])).rejects.toMatchObject({ code: 'HANDLER_DUPLICATE' });
    expect(await made()).toEqual([false, false, false, false]);
    const app = await start([One]);
    try {
      await eventually('everything is made', async () => (await made()).every(Boolean));
    } finally {
      await app.close();
    }
  } finally {
    await nats.close();
  }
});
