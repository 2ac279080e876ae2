import { describeError, errorFields } from '../errors.js';
import type { LogAt } from '../log.js';
import { aggregateIdOf } from '../message/subject.js';
import type { MarkerWrites } from './marker-writes.js';
import type { Parked } from './parked-aggregate.js';
import type { ParkedPort } from './parked-port.js';

export interface LostMarkersOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly port: Pick<ParkedPort, 'readMarker' | 'lettered'>;
  readonly log: LogAt<'partition'>;
}

/**
 * Notices markers that an operator has deleted, so that no parked event is forgotten in silence. The owner of a
 * parked aggregate knows its marker and writes it again. If no owner ran, letters without a marker are reported.
 * They are not replayed: they may be void ones, of an owner whose lease had ended.
 */
export class LostMarkers {
  #isReported = false;

  constructor(
    private readonly options: LostMarkersOptions,
    private readonly writes: MarkerWrites,
  ) {}

  /** Another tenure: what it inherits is reported again. */
  begin(): void {
    this.#isReported = false;
  }

  /** Writes the markers of parked aggregates again that are not `listed` and have gone. */
  async restore(parked: readonly Parked[], listed: ReadonlySet<string>): Promise<void> {
    const { name, port, log } = this.options;
    for (const one of parked) {
      const isWritten = (): boolean => one.revision > 0 && !one.leaving && !one.forgotten;
      if (listed.has(one.token) || !isWritten()) continue;
      const { revision } = one;
      const aggregate = aggregateIdOf(one.token);
      try {
        if ((await port.readMarker(one.token)) !== undefined || one.revision !== revision || !isWritten())
          continue;
        await this.writes.update(one, {});
        log.write(
          'marker-restored',
          { aggregate },
          `${name}: the marker of parked aggregate "${aggregate}" was deleted and is written again; ` +
            'to give its events up, use parked discard',
        );
      } catch (error) {
        log.write(
          'marker-not-restored',
          { aggregate, ...errorFields(error) },
          `${name}: a marker that was deleted could not be written again, trying again soon: ${describeError(error)}`,
        );
        return;
      }
    }
  }

  /** Reports aggregates that have letters and are not parked, once in a tenure. Asked again after it failed. */
  async report(isParked: (token: string) => boolean): Promise<void> {
    if (this.#isReported) return;
    const { name, port, log } = this.options;
    // The next call, 30 s later, asks again; a stream that does not answer is reported where it is needed.
    const lettered = await port.lettered().catch(() => undefined);
    if (lettered === undefined) return;
    this.#isReported = true;
    const without = lettered.filter((token) => !isParked(token));
    const [first] = without;
    if (first === undefined) return;
    const aggregate = aggregateIdOf(first);
    log.write(
      'markers-missing',
      { aggregates: without.length, aggregate },
      `${name}: letters of ${without.length} aggregates, "${aggregate}" for one, have no marker and are never ` +
        'replayed: the marker was deleted, or an owner wrote them after its lease had ended; ' +
        'restore the bucket of markers, or purge their subjects',
    );
  }
}
