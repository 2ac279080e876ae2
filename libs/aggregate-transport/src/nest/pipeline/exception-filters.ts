import type { ArgumentsHost } from '@nestjs/common';
import { BaseRpcExceptionFilter } from '@nestjs/microservices';
import { notePassing } from '../handling/nest-error-log.js';
import { ExecutionHost, type PipelineArgs } from './execution-host.js';

/** A filter, as Nest keeps it. */
export interface BoundFilter {
  /** Bound when the pipeline is made. */
  readonly catch: (error: unknown, host: ArgumentsHost) => unknown;
  /** The classes it is for; none of them for all errors. */
  readonly types: readonly (abstract new (...args: never[]) => unknown)[];
}

/** Answers an error as Nest's pipeline does: by the first filter that is for it, else by Nest's own last one. */
export class ExceptionFilters {
  readonly #last = new BaseRpcExceptionFilter();

  /** `filters` in the order in which they are asked: the nearest to the method first. */
  constructor(private readonly filters: readonly BoundFilter[]) {}

  /** May throw what a filter throws. Its answer may be a value, a promise or a stream. */
  answer(error: unknown, args: PipelineArgs): unknown {
    notePassing(error);
    const host = new ExecutionHost(args);
    const filter = this.filters.find(
      ({ types }) => types.length === 0 || types.some((type) => error instanceof type),
    );
    // As Nest: a filter that answers nothing has not answered.
    return filter?.catch(error, host) || this.#last.catch(error, host);
  }
}
