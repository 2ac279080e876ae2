import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { AggregateContext } from './aggregate.context.js';

/** Injects the id of the event's aggregate. */
export const AggregateId: () => ParameterDecorator = createParamDecorator(
  (_data: unknown, host: ExecutionContext) => host.switchToRpc().getContext<AggregateContext>().aggregateId,
);
