import type { ClaimCause, PartitionObserver } from '../consumer/partition-options.js';
import { describeError, errorFields } from '../errors.js';
import { muteRejection } from '../foreign.js';
import type { Log } from '../log.js';
import type { ReaderCause } from '../consumer/reading/reader.js';
import type { FailureStage } from '../consumer/handling/outcome.js';
import { groupAttributes, partitionAttributes } from './attributes.js';
import type { DurationHistogram, Meter, MetricAttributes } from './meter.js';

const MS_PER_S = 1_000;
/** The boundaries that the conventions advise, in seconds. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/**
 * Measures how long things take, for all partitions of a process. Exists only where there is a meter. The meter is the
 * application's: what it throws costs the one value, is logged once, and changes nothing else.
 */
export class Measures {
  readonly #handler: DurationHistogram | undefined;
  readonly #claim: DurationHistogram;
  readonly #reader: DurationHistogram;

  #hasFailed = false;

  constructor(
    { meter, handlerDuration }: { readonly meter: Meter; readonly handlerDuration: boolean },
    private readonly log: Log,
  ) {
    const seconds = (name: string, description: string): DurationHistogram =>
      meter.createHistogram(name, {
        description,
        unit: 's',
        advice: { explicitBucketBoundaries: SECONDS },
      });
    if (handlerDuration)
      this.#handler = seconds('messaging.process.duration', 'One attempt of a handler at an event.');
    this.#claim = seconds(
      'aggregate_transport.claim.duration',
      'From the lease until events may be taken in.',
    );
    this.#reader = seconds(
      'aggregate_transport.reader.duration',
      'From the wish for a reader until it reads.',
    );
  }

  /** The part of a partition's observer that measures. */
  of({
    topic,
    group,
    partition,
  }: {
    readonly topic: string;
    readonly group: string;
    readonly partition: number;
  }): Pick<PartitionObserver, 'claimed' | 'readerOpened' | 'attemptEnded'> {
    // Made once: a histogram is told of every event, and objects are what that would cost most.
    const succeeded = { ...groupAttributes(topic, group), 'messaging.operation.name': 'process' };
    const failed = new Map<FailureStage | undefined, MetricAttributes>();
    const claims = new Map<ClaimCause, MetricAttributes>();
    const readers = new Map<ReaderCause, MetricAttributes>();
    const where = partitionAttributes(topic, group, partition);
    const handler = this.#handler;
    return {
      ...(handler && {
        attemptEnded: (ms, stage) => {
          let attributes = stage === undefined ? succeeded : failed.get(stage);
          if (attributes === undefined) {
            attributes = { ...succeeded, 'error.type': String(stage) };
            failed.set(stage, attributes);
          }
          this.#record(handler, ms, attributes);
        },
      }),
      claimed: (cause, ms) => {
        const attributes = claims.get(cause) ?? { ...where, 'aggregate_transport.claim.cause': cause };
        claims.set(cause, attributes);
        this.#record(this.#claim, ms, attributes);
      },
      readerOpened: (cause, ms) => {
        const attributes = readers.get(cause) ?? { ...where, 'aggregate_transport.reader.cause': cause };
        readers.set(cause, attributes);
        this.#record(this.#reader, ms, attributes);
      },
    };
  }

  #record(histogram: DurationHistogram, ms: number, attributes: MetricAttributes): void {
    try {
      const loose: { record(value: number, attributes: MetricAttributes): unknown } = histogram;
      muteRejection(loose.record(ms / MS_PER_S, attributes));
    } catch (error) {
      if (this.#hasFailed) return;
      this.#hasFailed = true;
      this.log.write(
        'meter-failed',
        errorFields(error),
        `expected a meter whose histograms record a value, found that record throws ${describeError(error)}; ` +
          'durations are missing until it is fixed (said once)',
        error,
      );
    }
  }
}
