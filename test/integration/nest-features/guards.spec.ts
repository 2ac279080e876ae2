import { expect, test } from '@jest/globals';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  type Provider,
  type Type,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { AggregateHandler } from 'nestjs-aggregate-transport';
import { publisherOf, startApp, type TestAppOptions } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();
const RETRY = { firstDelayMs: 10, maxDelayMs: 50 };

async function startGuarded(
  topic: string,
  controller: Type,
  more: Partial<TestAppOptions> = {},
): Promise<{ log: CapturedLog; publish: (payload: number) => Promise<unknown>; close: () => Promise<void> }> {
  const log = new CapturedLog();
  const app = await startApp({
    options: { servers: server().url, group: 'guards', topics: { [topic]: { consume: { retry: RETRY } } } },
    publishers: [topic],
    controllers: [controller],
    logger: log,
    ...more,
  });
  return {
    log,
    publish: (payload) => publisherOf(app, topic).publish({ aggregateId: 'a', type: 'Counted', payload }),
    close: () => app.close(),
  };
}

test('an event that a guard refuses blocks its aggregate, and is handled in order once the guard lets it pass', async () => {
  const handled: number[] = [];
  let open = false;
  let asked = 0;
  const guard: CanActivate = { canActivate: () => (asked++, open) };

  @Controller()
  class Guarded {
    @AggregateHandler('refused', { retry: { ...RETRY, attempts: 2 } })
    @UseGuards(guard)
    handle(payload: number) {
      handled.push(payload);
    }
  }

  const { log, publish, close } = await startGuarded('refused', Guarded);
  await publish(1);
  await publish(2);
  const line = await log.says(/failed in its guard/);
  await eventually('refused more often than there are attempts', () => asked > 4);
  expect(handled).toEqual([]);
  open = true;
  await eventually('both handled', () => handled.length === 2);
  await close();
  expect(handled).toEqual([1, 2]);
  // A guard blocks with any consume.onExhausted: its refusal says nothing about the event.
  expect(line).toMatch(/its aggregate is blocked and tried again every 50 ms: .*Forbidden resource/);
});

test.each(['above', 'below'] as const)(
  'what a guard throws is reported as thrown, with the guard %s the handler decorator',
  async (place) => {
    const guard: CanActivate = {
      canActivate: () => {
        throw new UnauthorizedException('the night watch is asleep');
      },
    };
    const topic = `thrown-${place}`;

    @Controller()
    class Above {
      @UseGuards(guard)
      @AggregateHandler('thrown-above')
      handle() {}
    }
    @Controller()
    class Below {
      @AggregateHandler('thrown-below')
      @UseGuards(guard)
      handle() {}
    }

    const { log, publish, close } = await startGuarded(topic, place === 'above' ? Above : Below);
    await publish(1);
    const line = await log.says(/failed in its/);
    await close();
    expect(line).toMatch(/failed in its guard .*UnauthorizedException: the night watch is asleep/);
  },
);

/** As services have it for their HTTP API: it reads the request, and there is none. */
class HttpOnlyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
    return request.headers['authorization'] !== undefined;
  }
}
const globalGuard: Provider = { provide: APP_GUARD, useClass: HttpOnlyGuard };

@Controller()
class Unguarded {
  static readonly handled: number[] = [];
  @AggregateHandler('http-only')
  handle(payload: number) {
    Unguarded.handled.push(payload);
  }
}

test('a global guard that is meant for HTTP blocks the aggregate, and the text says how to fix it', async () => {
  const { log, publish, close } = await startGuarded('http-only', Unguarded, { providers: [globalGuard] });
  await publish(1);
  const line = await log.says(/failed in its guard/);
  expect(Unguarded.handled).toEqual([]);
  await close();
  expect(line).toMatch(
    /TypeError: .*if the guard is meant for HTTP only, let it pass when context\.getType\(\) === 'rpc'/,
  );

  const without = await startGuarded('http-only', Unguarded, {
    providers: [globalGuard],
    inheritAppConfig: false,
  });
  await eventually('handled without inheritAppConfig', () => Unguarded.handled.length === 1);
  await without.close();
});
