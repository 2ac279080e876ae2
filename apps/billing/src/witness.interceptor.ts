import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { AggregateContext } from 'nestjs-aggregate-transport';
import { type Observable, tap } from 'rxjs';
import { Witness } from './witness.js';

/** Shows the witness every attempt, from outside the handler. */
@Injectable()
export class WitnessInterceptor implements NestInterceptor {
  constructor(private readonly witness: Witness) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'rpc') return next.handle(); // an HTTP call of the same controller
    const event = context.switchToRpc().getContext<AggregateContext>();
    this.witness.started(event);
    return next.handle().pipe(
      tap({
        complete: () => this.witness.ended(event, true),
        error: () => this.witness.ended(event, false),
      }),
    );
  }
}
