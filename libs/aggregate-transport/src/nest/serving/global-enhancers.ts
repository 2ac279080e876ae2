import { Inject, Injectable } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { AGGREGATE_TRANSPORT } from '../tokens.js';

/**
 * What of the application stands in the pipeline of every handler that is being registered.
 *
 * A hybrid application that does not inherit gives its microservice an empty configuration of its own. Only if it also
 * defers the initialization can that one be filled, and it cannot be reached. Handlers of a deferred one are those that
 * are not registered in the very turn in which their server was connected.
 */
@Injectable()
export class GlobalEnhancers {
  /** True in the turn in which our server is connected. */
  #isConnecting = false;

  constructor(
    @Inject(ApplicationConfig) private readonly config: ApplicationConfig,
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    modules.getRpcTargetRegistry<{ transportId?: unknown }>().subscribe(({ transportId }) => {
      if (transportId !== AGGREGATE_TRANSPORT) return;
      this.#isConnecting = true;
      queueMicrotask(() => (this.#isConnecting = false));
    });
  }

  /** What stands there, or may; undefined if nothing does. */
  found(): string | undefined {
    const kind = globalsOf(this.config).find(([, list]) => list.length > 0)?.[0];
    if (kind !== undefined) return `the application has a global ${kind}`;
    // Only an application with an HTTP adapter can be a hybrid one.
    const { httpAdapter } = this.http as { httpAdapter?: object | null };
    const isHybrid = httpAdapter !== undefined && httpAdapter !== null;
    return isHybrid && !this.#isConnecting
      ? 'its microservice defers initialization, and may have global enhancers of its own'
      : undefined;
  }
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
