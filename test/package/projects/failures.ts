// Every part of Nest's pipeline fails once; copied into each project.
import 'reflect-metadata';
import {
  type CanActivate,
  Controller,
  type LoggerService,
  Module,
  type NestInterceptor,
  type PipeTransform,
  UnauthorizedException,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AggregatePublisher,
  AggregateHandler,
  AggregateServer,
  AggregateTransportModule,
  getAggregatePublisherToken,
} from 'nestjs-aggregate-transport';
import { throwError } from 'rxjs';
import { until } from './example.js';

const guard: CanActivate = {
  canActivate: () => {
    throw new UnauthorizedException('the guard says no');
  },
};
const interceptor: NestInterceptor = {
  intercept: () => throwError(() => new RangeError('the interceptor says no')),
};
const pipe: PipeTransform = {
  transform: () => {
    throw new SyntaxError('the pipe says no');
  },
};

@Controller()
class Failing {
  @UseGuards(guard)
  @AggregateHandler('failing', { type: 'guard' })
  guarded() {}

  @UseInterceptors(interceptor)
  @AggregateHandler('failing', { type: 'interceptor' })
  intercepted() {}

  @UsePipes(pipe)
  @AggregateHandler('failing', { type: 'pipe' })
  piped() {}

  @AggregateHandler('failing', { type: 'handler' })
  handled() {
    return throwError(() => new EvalError('the handler says no'));
  }
}

const EXPECTED = {
  guard: 'UnauthorizedException: the guard says no',
  interceptor: 'RangeError: the interceptor says no',
  pipe: 'SyntaxError: the pipe says no',
  handler: 'EvalError: the handler says no',
};

/** Throws unless each failure is reported with its stage and what was thrown. */
export async function runFailures(servers: string): Promise<string> {
  const lines: string[] = [];
  const keep = (text: unknown): void => void lines.push(String(text));
  const logger: LoggerService = { log: keep, warn: keep, error: keep };

  @Module({
    imports: [
      AggregateTransportModule.forRoot({ servers, group: 'failing', topics: { failing: {} } }),
      AggregateTransportModule.forFeature(['failing']),
    ],
    controllers: [Failing],
  })
  class FailingModule {}

  const app = await NestFactory.createMicroservice(FailingModule, {
    inject: [AggregateServer],
    useFactory: (strategy: AggregateServer) => ({ strategy }),
    logger,
  });
  await app.listen();
  const publisher = app.get<AggregatePublisher>(getAggregatePublisherToken('failing'));
  for (const type of Object.keys(EXPECTED)) await publisher.publish({ aggregateId: type, type, payload: {} });
  for (const [stage, error] of Object.entries(EXPECTED)) {
    await until(() => lines.some((line) => line.includes(`failed in its ${stage} `) && line.includes(error)));
  }
  await app.close();
  return `${Object.keys(EXPECTED).length} stages reported, each with its error`;
}
