import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { describeError, hasCode } from '../../../errors.js';
import { AggregateTransportModule } from '../../../nest/aggregate-transport.module.js';
import { UnrecoverableError } from '../../../nest/handling/unrecoverable.error.js';
import { AggregateServer } from '../../../nest/serving/aggregate.server.js';
import type { AttemptContext } from '../../../transport/around.js';
import { ATTEMPTS, fateOf, releaseName } from '../../../verifying/event-fate.js';
import { STILL_MS } from '../../../verifying/fault-kinds.js';
import { Journal } from '../../../verifying/harness/journal.js';
import type { ProcessMessage, ReplicaLine, ReplicaSetup, RunLine } from '../../../verifying/process-lines.js';
import { handlersModule } from './handlers-module.js';
import { processLog } from './process-log.js';
import { transportOptionsOf } from './transport-options.js';

type Tell = (message: ProcessMessage) => void;

const BEAT_MS = 50;
const MAX_ERROR_LENGTH = 200;
const DRAIN_MS = 8_000;

class PlannedFailure extends Error {
  override readonly name = 'PlannedFailure';
}

/** One replica of the judged service. It writes down what it does, and judges nothing. */
export async function runReplica(setup: ReplicaSetup, tell: Tell): Promise<void> {
  const journal = new Journal<ReplicaLine>(setup.journal);
  watchLoop(journal);
  const attempts = new Attempts(setup, journal, tell);
  const options = await transportOptionsOf(setup, {
    consume: {
      partitions: setup.partitions,
      leaseTtlMs: setup.leaseTtlMs,
      retry: { attempts: ATTEMPTS, firstDelayMs: 5, maxDelayMs: 200 },
      onUnhandledType: 'block',
      around: (context, next) => attempts.surround(context, next),
    },
  });

  @Module({
    imports: [
      AggregateTransportModule.forRoot({
        ...options,
        group: setup.group,
        shutdown: { drainMs: DRAIN_MS },
      }),
      await handlersModule(setup),
    ],
  })
  class ReplicaModule {}

  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest takes plain options
  const app = await NestFactory.createMicroservice(ReplicaModule as Type, {
    inject: [AggregateServer],
    useFactory: (strategy: AggregateServer) => ({ strategy }),
    logger: processLog,
    abortOnError: false,
  });
  process.once('SIGTERM', () => void app.close().finally(() => process.exit(0)));
  await app.listen();
  tell({ kind: 'ready' });
}

/** What surrounds every attempt: the plan's faults, and the journal. */
class Attempts {
  readonly #told = new Map<number, number>();
  /** Planned failures so far, by sequence. A letter has one attempt per replay, so attempts do not count them. */
  readonly #failures = new Map<number, number>();

  constructor(
    private readonly setup: ReplicaSetup,
    private readonly journal: Journal<ReplicaLine>,
    private readonly tell: Tell,
  ) {}

  async surround(context: AttemptContext, next: () => Promise<void>): Promise<void> {
    const run: RunLine = {
      aggregateId: context.aggregateId,
      number: context.aggregateVersion ?? 0,
      sequence: context.sequence,
      partition: context.partition,
      token: context.fencingToken,
      attempt: context.attempt,
    };
    this.journal.write({ what: 'start', ...run });
    this.#tellOwner(run);
    try {
      const waitMs = this.#suffer(run);
      await next();
      await scheduled(waitMs);
    } catch (error) {
      this.journal.write({ what: 'end', ok: false, ...run, ...namedError(error) });
      throw error;
    }
    this.journal.write({ what: 'end', ok: true, ...run });
  }

  /** Fails as planned, or gives the time that the event takes. */
  #suffer({ aggregateId, number, sequence }: RunLine): number {
    const { released } = this.setup;
    const { failures, parks, waitMs } = fateOf(this.setup, aggregateId, number);
    if (parks && !existsSync(join(released, releaseName(aggregateId, number))))
      throw new UnrecoverableError(new PlannedFailure('parks its aggregate, as planned'));
    const failed = this.#failures.get(sequence) ?? 0;
    if (failed < failures) {
      this.#failures.set(sequence, failed + 1);
      throw new PlannedFailure(`fails ${failures} times, as planned`);
    }
    return waitMs;
  }

  #tellOwner({ partition, token }: RunLine): void {
    if ((this.#told.get(partition) ?? 0) >= token) return;
    this.#told.set(partition, token);
    this.tell({ kind: 'held', partition, token });
  }
}

/** An error that no plan asked for, by name: of the user's handlers, or of the library. */
function namedError(error: unknown): { error?: string } {
  if (error instanceof PlannedFailure) return {};
  if (error instanceof UnrecoverableError && error.cause instanceof PlannedFailure) return {};
  // A consequence of the faults.
  if (hasCode(error, 'LEASE_LOST')) return {};
  return { error: describeError(error).slice(0, MAX_ERROR_LENGTH) };
}

/** A loop that stands still for long may cost the lease, be it for a busy machine or for a handler. */
function watchLoop(journal: Journal<ReplicaLine>): void {
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    const ms = Math.round(now - last - BEAT_MS);
    last = now;
    if (ms > STILL_MS) journal.write({ what: 'stood-still', ms });
  }, BEAT_MS).unref();
}
