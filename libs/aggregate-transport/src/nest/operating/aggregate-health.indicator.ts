import { Inject, Injectable } from '@nestjs/common';
import {
  failsLiveness,
  failsReadiness,
  type HealthProblem,
  type HealthProblemCode,
} from '../../observe/health-problem.js';
import { ObservedApp } from './observed-app.js';

/** What `@nestjs/terminus` takes as the result of an indicator, 11 and 12. */
export type AggregateHealthResult<K extends string = string> = Record<
  K,
  { status: 'up' | 'down'; problems: HealthProblem[] }
>;

/** What a check leaves out. */
export interface HealthCheckOptions {
  /** Problems that are named but do not make the answer `down`. @default none */
  readonly ignore?: readonly HealthProblemCode[];
}

/**
 * Tells whether the transport is well, and if not, why. Works in a `HealthCheckService` of `@nestjs/terminus` and
 * without it. It reads this process's memory and sends nothing, so a probe may call it every second.
 *
 * @example
 * health.check([() => this.events.isReady('events')])
 */
@Injectable()
export class AggregateHealthIndicator {
  constructor(@Inject(ObservedApp) private readonly observed: ObservedApp) {}

  /** Everything that an operator should look at. For alerts, not for a probe that restarts or takes away traffic. */
  isHealthy<K extends string>(key: K, options: HealthCheckOptions = {}): Promise<AggregateHealthResult<K>> {
    return this.#answer(key, options, () => true);
  }

  /**
   * Readiness: the server listens, each topic's connection is up, JetStream answers, and not nearly everything fails.
   * One aggregate or partition in trouble does not make a process unready.
   */
  isReady<K extends string>(key: K, options: HealthCheckOptions = {}): Promise<AggregateHealthResult<K>> {
    return this.#answer(key, options, failsReadiness);
  }

  /**
   * Liveness: down only for what a restart fixes, which is a NATS client that has given its connection up. An event
   * that cannot be handled would fail in the next process, too.
   */
  isLive<K extends string>(key: K, options: HealthCheckOptions = {}): Promise<AggregateHealthResult<K>> {
    return this.#answer(key, options, failsLiveness);
  }

  #answer<K extends string>(
    key: K,
    { ignore = [] }: HealthCheckOptions,
    fails: (code: HealthProblemCode) => boolean,
  ): Promise<AggregateHealthResult<K>> {
    const problems = this.observed.problems();
    const isDown = problems.some(({ code }) => fails(code) && !ignore.includes(code));
    const result = { [key]: { status: isDown ? 'down' : 'up', problems } };
    return Promise.resolve(result as AggregateHealthResult<K>);
  }
}
