import type { Clock, Timer } from '../../clock.js';
import { LineRoom, SUMMARY_EVERY_MS } from '../../line-room.js';
import { isLimited, type LogAt } from '../../log.js';

/** Aggregates told apart in one summary; memory is bounded by it. */
const MAX_COUNTED = 10_000;
/** Different faults of `classify` that are logged, each once. */
const MAX_FAULTS = 100;

/**
 * Tells of failing aggregates in few lines. Each aggregate has one for each change of its state: failing, blocked,
 * parked, recovered, live. A summary tells of the rest. A database that is away fails every attempt of every
 * aggregate, and retries that succeed are no news. One per topic and group of a process. Its modes:
 *
 * - quiet: everything was told. No timer runs.
 * - counting: entered by the first attempt, change or line that is not told, left by the summary.
 */
export class FailureLog {
  readonly #faults = new Set<string>();
  #aggregates = new Set<string>();
  #attempts = 0;
  #recovered = 0;
  #lastWhy = 'none';
  /** For the lines of single aggregates. */
  readonly #room: LineRoom;
  #summary: Timer | undefined;

  constructor(
    /** For log texts: topic and group. */
    private readonly name: string,
    private readonly clock: Clock,
    private readonly log: LogAt<'group'>,
  ) {
    this.#room = new LineRoom(clock);
  }

  /**
   * An attempt has failed. `say` writes the line of its aggregate; undefined if the aggregate's state has not changed
   * by it.
   */
  attemptFailed(token: string, why: string, say?: () => void): void {
    if (say !== undefined && this.#room.take()) {
      say();
      return;
    }
    this.#attempts++;
    if (this.#aggregates.size < MAX_COUNTED) this.#aggregates.add(token);
    this.#lastWhy = why;
    this.#count();
  }

  /** An event that had failed is handled; `say` writes its line. */
  recovered(say: () => void): void {
    if (this.#room.take()) {
      say();
      return;
    }
    this.#recovered++;
    this.#count();
  }

  /** The log, with room for only so many of the lines that many aggregates can have at once. The rest is counted. */
  limit(log: LogAt<'partition'>): LogAt<'partition'> {
    return {
      write: (...line) => {
        const [event] = line;
        if (!isLimited(event) || this.#room.take()) {
          log.write(...line);
          return;
        }
        this.#room.leaveOut(event);
        this.#count();
      },
    };
  }

  /** The answer of `classify` for an event does not count. */
  classifierFailed(name: string, fault: string): void {
    if (this.#faults.has(fault) || this.#faults.size >= MAX_FAULTS) return;
    this.#faults.add(fault);
    this.log.write(
      'classify-invalid',
      { why: fault },
      `${name}: expected classify to answer "retry", "park", "skip", "block", "halt" or undefined, ${fault}; ` +
        'the rest of the policy decides (said once per answer)',
    );
  }

  /** Logs the summaries now, if there is something to tell. */
  flush(): void {
    this.#summary?.cancel();
    this.#summary = undefined;
    this.#sumLeftOut();
    if (this.#attempts + this.#recovered === 0) return;
    const { size } = this.#aggregates;
    const aggregates = `${size}${size === MAX_COUNTED ? ' or more' : ''} aggregate(s)`;
    this.log.write(
      'failures-summed',
      { count: this.#attempts, aggregates: size, recovered: this.#recovered, why: this.#lastWhy },
      `${this.name}: ${this.#attempts} further attempt(s) of ${aggregates} failed and ${this.#recovered} further event(s) ` +
        `recovered within ${SUMMARY_EVERY_MS / 1_000} s; the last failure: ${this.#lastWhy}`,
    );
    this.#aggregates = new Set();
    this.#attempts = 0;
    this.#recovered = 0;
  }

  #sumLeftOut(): void {
    const leftOut = this.#room.takeLeftOut();
    if (leftOut === undefined) return;
    const { count, events } = leftOut;
    this.log.write(
      'lines-left-out',
      { count, events },
      `${this.name}: ${count} further line(s) of single aggregates had no room within ${SUMMARY_EVERY_MS / 1_000} s: ${events}`,
    );
  }

  #count(): void {
    this.#summary ??= this.clock.after(SUMMARY_EVERY_MS, () => this.flush());
  }
}
