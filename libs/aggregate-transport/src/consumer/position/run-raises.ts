import { isSabotaged, reached } from '#sabotage';
import type { Position } from './position.js';
import type { PositionWriter } from './position-writer.js';

/** A run that has begun. */
export interface RaisedRun {
  readonly run: number;
  /** Events up to here are of earlier runs. */
  readonly through: number;
}

/** Keeps handlers from starting. */
export interface StartHold {
  hold(): void;
  release(): void;
}

export interface RunRaisesOptions {
  readonly position: Position;
  readonly writer: PositionWriter;
  readonly starts: StartHold;
  /** Events up to here may have been started by an earlier owner. */
  readonly startedThrough: () => number;
}

/**
 * Lets the run of a partition grow, for the replay of one aggregate. One raise follows another.
 *
 * 1. Nothing starts any more. What runs is not waited for: it is of an event that was taken in, and keeps its run.
 * 2. A commit says the next run, and after which event it begins: after all that any owner may have started.
 * 3. When it is confirmed the run has grown here, too. Handlers start again.
 *
 * An event that started between 2 and 3 would be of the run before, and of the next one if it came again. An owner
 * that used the run before 3, and died, would leave effects above the events of its successor. A guard would refuse
 * those.
 */
export class RunRaises {
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: RunRaisesOptions) {}

  /** Undefined if the tenure ends first, or too many earlier runs have unsettled events: ask again later. */
  raise(): Promise<RaisedRun | undefined> {
    const raised = this.#last.then(() => this.#raise());
    this.#last = raised;
    return raised;
  }

  async #raise(): Promise<RaisedRun | undefined> {
    const { position, writer, starts, startedThrough } = this.options;
    if (position.isRunFull || !writer.hasBegun) return undefined;
    if (isSabotaged('run-not-raised')) return { run: position.run, through: position.lastTaken };
    if (!isSabotaged('run-grows-beside-starts')) starts.hold();
    try {
      position.raiseRun(startedThrough());
      if (!(await writer.commitNow())) return undefined;
      reached('replay: run raised');
      return { run: position.run, through: position.raisedThrough };
    } finally {
      starts.release();
    }
  }
}
