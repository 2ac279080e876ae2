import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost } from '@nestjs/core';
import { stackOf } from '../../errors.js';

/** A hybrid application registers handlers within this call, unless it defers the initialization. */
const CONNECTS = /\bNestApplication\.connectMicroservice\b/;
const STACK_DEPTH = 100;

/**
 * What of the application stands in the pipeline of every handler that is being registered.
 *
 * A hybrid application that does not inherit gives its microservice an empty configuration of its own. Only if it also
 * defers the initialization can that one be filled, and it cannot be reached. Whether it does, the stack alone tells:
 * Nest 11 may register the handlers of a deferred one in the same turn. A stack that cannot be read counts as deferred.
 */
@Injectable()
export class GlobalEnhancers {
  constructor(
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
  ) {}

  /** What stands there, or may; undefined if nothing does. */
  found(): string | undefined {
    const kind = globalsOf(this.config).find(([, list]) => list.length > 0)?.[0];
    if (kind !== undefined) return `the application has a global ${kind}`;
    // Only an application with an HTTP adapter can be a hybrid one.
    const { httpAdapter } = this.http as { httpAdapter?: object | null };
    const isHybrid = httpAdapter !== undefined && httpAdapter !== null;
    return isHybrid && !CONNECTS.test(stack())
      ? 'its microservice defers initialization, and may have global enhancers of its own'
      : undefined;
  }
}

/** The calls that have led here. */
function stack(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = STACK_DEPTH;
  const text = stackOf(new Error());
  Error.stackTraceLimit = stackTraceLimit;
  return text ?? '';
}

/** What stands in every pipeline that is built from this configuration. */
function globalsOf(config: ApplicationConfig): [string, readonly unknown[]][] {
  // Of Nest 12.
  const { getGlobalPreRequestHooks } = config as { getGlobalPreRequestHooks?: () => unknown[] };
  return [
    ['guard', [...config.getGlobalGuards(), ...config.getGlobalRequestGuards()]],
    ['interceptor', [...config.getGlobalInterceptors(), ...config.getGlobalRequestInterceptors()]],
    ['pipe', [...config.getGlobalPipes(), ...config.getGlobalRequestPipes()]],
    ['filter', [...config.getGlobalFilters(), ...config.getGlobalRequestFilters()]],
    ['pre-request hook', getGlobalPreRequestHooks?.call(config) ?? []],
  ];
}
