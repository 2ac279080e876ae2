import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  Body,
  type CallHandler,
  Controller,
  type ExecutionContext,
  Headers,
  HttpException,
  HttpStatus,
  type INestApplication,
  Injectable,
  type NestInterceptor,
  Param,
  Post,
  UseInterceptors,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  AggregateTransportError,
  type AggregateTransportErrorCode,
  AggregateTransportModule,
  defineTopic,
  InjectAggregatePublisher,
  type PublisherOf,
  type PublishReceipt,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { catchError, type Observable } from 'rxjs';

interface OrderPlaced {
  customer: string;
  cents: number;
}
const orders = defineTopic<{ OrderPlaced: OrderPlaced }>('orders');

// #region http
const STATUS: Partial<Record<AggregateTransportErrorCode, HttpStatus>> = {
  // The request is at fault.
  AGGREGATE_ID_INVALID: HttpStatus.BAD_REQUEST,
  EVENT_INVALID: HttpStatus.BAD_REQUEST,
  PAYLOAD_NOT_SERIALIZABLE: HttpStatus.BAD_REQUEST,
  HEADER_RESERVED: HttpStatus.BAD_REQUEST,
  EVENT_TOO_LARGE: HttpStatus.PAYLOAD_TOO_LARGE,
  SEQUENCE_CONFLICT: HttpStatus.CONFLICT,
  SEQUENCE_UNKNOWN: HttpStatus.CONFLICT,
  // Not stored: the caller may try again.
  ABORTED: HttpStatus.SERVICE_UNAVAILABLE,
  PUBLISHER_SATURATED: HttpStatus.SERVICE_UNAVAILABLE,
  PUBLISHER_CLOSED: HttpStatus.SERVICE_UNAVAILABLE,
  CONNECTION_CLOSED: HttpStatus.SERVICE_UNAVAILABLE,
  PUBLISH_REJECTED: HttpStatus.SERVICE_UNAVAILABLE,
  PREDECESSOR_REJECTED: HttpStatus.SERVICE_UNAVAILABLE,
  PREDECESSOR_UNKNOWN: HttpStatus.SERVICE_UNAVAILABLE,
  // Stored or not: the caller repeats the request with the same idempotency key.
  OUTCOME_UNKNOWN: HttpStatus.GATEWAY_TIMEOUT,
};

@Injectable()
class PublishErrors implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      catchError((error: unknown) => {
        const status = error instanceof AggregateTransportError ? STATUS[error.code] : undefined;
        if (status === undefined) throw error;
        const { code, message } = error as AggregateTransportError;
        throw new HttpException({ code, message }, status, { cause: error });
      }),
    );
  }
}

@Controller('orders')
@UseInterceptors(PublishErrors)
class OrdersController {
  constructor(@InjectAggregatePublisher(orders) private readonly publisher: PublisherOf<typeof orders>) {}

  @Post(':id/place')
  place(
    @Param('id') id: string,
    @Body() order: OrderPlaced,
    @Headers('idempotency-key') key?: string,
  ): Promise<PublishReceipt> {
    const event = { aggregateId: id, type: 'OrderPlaced' as const, payload: order };
    return this.publisher.publish(key === undefined ? event : { ...event, eventId: key }, {
      signal: AbortSignal.timeout(1_500),
    });
  }
}
// #endregion

let app: INestApplication;
let url: string;

beforeAll(async () => {
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({ topics: { orders: {} } }),
      AggregateTransportModule.forFeature([orders]),
    ],
    controllers: [OrdersController],
  }).compile();
  app = module.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  url = await app.getUrl();
});
afterAll(() => app.close());

async function place(id: string, body: unknown, key?: string): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${url}/orders/${id}/place`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

test('a repeated request with the same key stores the event once', async () => {
  const order = { customer: 'Ada', cents: 250 };
  expect(await place('7', order, 'key-1')).toMatchObject({ status: 201, body: { duplicate: false } });
  expect(await place('7', order, 'key-1')).toMatchObject({ status: 201, body: { duplicate: true } });
  expect(app.get(TestingStreams).events(orders)).toHaveLength(1);
});

test('a request that is at fault is answered with 400 and the code', async () => {
  expect(await place('7', { customer: 'Ada' }, 'no spaces allowed')).toMatchObject({
    ...{ status: 400, body: { code: 'EVENT_INVALID' } },
  });
});
