import type { Log } from '../log.js';
import type { LeaseRecord } from './lease-record.js';

export interface LayoutBarOptions {
  /** For log texts. */
  readonly name: string;
  /** The layout of the partition this process means; see {@link LeaseRecord.layout}. */
  readonly layout: number;
  /** True if the change of that number, which drained a partition of this layout, was cancelled. */
  readonly isCancelled: (change: number) => boolean;
  readonly log: Log;
}

/**
 * The barrier of a change of layout, as it stands before one lease: it comes before everything else that says who may
 * take it. It is up when the lease was last seen to be drained for a change that was not cancelled, or to be of another
 * layout.
 */
export class LayoutBar {
  #isUp = false;
  #drainedFor = 0;
  #sawStranger = false;

  constructor(private readonly options: LayoutBarOptions) {}

  get isUp(): boolean {
    return this.#isUp;
  }

  /** The last change for which the partition was seen to be drained, by whomever; 0 for none. */
  get drainedFor(): number {
    return this.#drainedFor;
  }

  /** A lease as the server holds it. True if nobody may take it. */
  keeps(found: LeaseRecord | undefined): boolean {
    this.#isUp = found !== undefined && (this.#isOfOther(found) || this.#isDrained(found));
    return this.#isUp;
  }

  /** Somebody writes, or tries to: enough to go and look, not to take anything. Whoever goes on from here reads all leases. */
  heard(record: LeaseRecord): void {
    if ((record.layout ?? 0) === this.options.layout) this.#isDrained(record);
  }

  #isDrained({ drained }: LeaseRecord): boolean {
    if (drained === undefined || this.options.isCancelled(drained.change)) return false;
    this.#drainedFor = drained.change;
    return true;
  }

  /** A process that slept through a change of layout sees this for a moment; keys left of a group that was started over, for ever. */
  #isOfOther({ layout = 0 }: LeaseRecord): boolean {
    const { name, layout: expected, log } = this.options;
    if (layout === expected) return false;
    if (!this.#sawStranger) {
      log.warn(
        `${name}: expected the lease of layout ${expected}, found one of layout ${layout}; it is not taken`,
      );
    }
    return (this.#sawStranger = true);
  }
}
