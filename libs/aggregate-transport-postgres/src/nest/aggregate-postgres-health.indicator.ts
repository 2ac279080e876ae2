import { Inject, Injectable } from '@nestjs/common';
import type { OutboxProblem } from '../relay/operating/outbox-health.js';
import { OutboxRelays } from './outbox-relays.js';

/** What `@nestjs/terminus` takes as the result of an indicator, 11 and 12. */
export type OutboxHealthResult<K extends string = string> = Record<
  K,
  { status: 'up' | 'down'; problems: OutboxProblem[] }
>;

/** What a check leaves out. */
export interface OutboxHealthOptions {
  /** Problems that are named but do not make the answer `down`. @default none */
  readonly ignore?: readonly OutboxProblem['code'][];
}

/**
 * Tells whether the outbox is well, and if not, why. It reads this process's memory, so a probe may call it every
 * second. What it knows is at most 5 s old. A process that does not relay has no problems to tell.
 */
@Injectable()
export class AggregatePostgresHealthIndicator {
  constructor(@Inject(OutboxRelays) private readonly outbox: OutboxRelays) {}

  /** Everything that an operator should look at. For alerts, not for a probe that restarts or takes away traffic. */
  isHealthy<K extends string>(
    key: K,
    { ignore = [] }: OutboxHealthOptions = {},
  ): Promise<OutboxHealthResult<K>> {
    const problems = this.outbox.problems();
    const isDown = problems.some(({ code }) => !ignore.includes(code));
    return Promise.resolve({ [key]: { status: isDown ? 'down' : 'up', problems } } as OutboxHealthResult<K>);
  }

  /** Readiness: always up. A stuck outbox is no reason to take traffic away. */
  isReady<K extends string>(key: K): Promise<OutboxHealthResult<K>> {
    const problems = this.outbox.problems();
    return Promise.resolve({ [key]: { status: 'up', problems } } as unknown as OutboxHealthResult<K>);
  }
}
