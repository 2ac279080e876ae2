import type { PartitionObserver, TakeoverCause } from '../consumer/partition-options.js';
import type { FailureStage } from '../consumer/handling/outcome.js';
import { groupAttributes, partitionAttributes } from './attributes.js';
import type { DurationHistogram, Meter, MetricAttributes } from './meter.js';

const MS_PER_S = 1_000;
/** The boundaries that the conventions advise, in seconds. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Measures how long things take, for all partitions of a process. Exists only where there is a meter. */
export class Measures {
  readonly #handler: DurationHistogram | undefined;
  readonly #takeover: DurationHistogram;
  readonly #fence: DurationHistogram;

  constructor({ meter, handlerDuration }: { readonly meter: Meter; readonly handlerDuration: boolean }) {
    const seconds = (name: string, description: string): DurationHistogram =>
      meter.createHistogram(name, {
        description,
        unit: 's',
        advice: { explicitBucketBoundaries: SECONDS },
      });
    if (handlerDuration)
      this.#handler = seconds('messaging.process.duration', 'One attempt of a handler at an event.');
    this.#takeover = seconds(
      'aggregate_transport.takeover.duration',
      'From the lease, or from what was noticed, until the server is in a known state.',
    );
    this.#fence = seconds(
      'aggregate_transport.fence.duration',
      'From there until all unsettled events had arrived again.',
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
  }): Pick<PartitionObserver, 'tookOver' | 'fenceOpened' | 'attemptEnded'> {
    // Made once: a histogram is told of every event, and objects are what that would cost most.
    const succeeded = { ...groupAttributes(topic, group), 'messaging.operation.name': 'process' };
    const failed = new Map<FailureStage | undefined, MetricAttributes>();
    const causes = new Map<TakeoverCause, MetricAttributes>();
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
          handler.record(ms / MS_PER_S, attributes);
        },
      }),
      tookOver: (cause, ms) => {
        const attributes = causes.get(cause) ?? { ...where, 'aggregate_transport.takeover.cause': cause };
        causes.set(cause, attributes);
        this.#takeover.record(ms / MS_PER_S, attributes);
      },
      fenceOpened: (ms) => this.#fence.record(ms / MS_PER_S, where),
    };
  }
}
