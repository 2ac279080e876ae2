import type { CanActivate, NestInterceptor } from '@nestjs/common';
import { isObservable } from 'rxjs';
import type { Failure } from '../../consumer/handling/outcome.js';
import type { AggregateContext } from '../handling/aggregate.context.js';
import { afterMethod } from '../handling/attempt-end.js';
import type { ExceptionFilters } from './exception-filters.js';
import type { PipelineArgs } from './execution-host.js';
import { askGuards } from './guards.js';
import { type HandlerCall, hostOf } from './handler-call.js';
import { FilterAnswers } from './filter-answers.js';
import { InterceptorChain } from './interceptors.js';
import type { Parameters } from './parameters.js';
import { PipedMethod } from './piped-method.js';

/** The enhancers of one handler, made once, in the order in which Nest runs them. */
export interface PipelineParts {
  readonly handler: HandlerCall;
  readonly guards: readonly CanActivate[];
  readonly interceptors: readonly NestInterceptor[];
  readonly parameters: Parameters;
  readonly filters: ExceptionFilters;
}

/**
 * Runs an event through the guards, interceptors, pipes and filters of its handler. Nest builds a way through them for
 * each event, of a dozen promises and Observables. Here all parts are known before the first event, so most of that
 * falls away. Order, arguments and answers are Nest's: the cases of `test/package/projects/alike.ts` run both ways.
 */
export class OwnPipeline {
  constructor(private readonly parts: PipelineParts) {}

  /** Settles when pipeline and method have ended. Never rejects. */
  async run(context: AggregateContext): Promise<Failure | undefined> {
    const { handler, guards, interceptors, parameters, filters } = this.parts;
    const { payload, trace } = context;
    const args: PipelineArgs = [payload, context];
    const method = new PipedMethod(handler, parameters, args);
    // Not the same list: to a filter Nest shows what the event came with.
    const answers = new FilterAnswers(filters, [payload, context]);
    let failure: Failure | undefined;
    try {
      // A microtask in any case: what a guard has begun comes first, and what an interceptor enters stays inside.
      await (guards.length > 0 ? askGuards(guards, handler, args) : undefined);
      trace.stage = 'interceptor';
      if (interceptors.length > 0) {
        const chain = new InterceptorChain(interceptors, hostOf(handler, args), method);
        await answers.ofStream(await chain.start());
      } else {
        method.announce();
        const value = await method.call();
        if (isObservable(value)) await answers.ofStream(value);
      }
    } catch (error) {
      failure = await answers.failureOf(error, trace);
    }
    await method.whenStarted();
    return trace.running === undefined ? failure : afterMethod(context, failure);
  }
}
