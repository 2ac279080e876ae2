import type { Clock } from '../clock.js';
import { AggregateBoardError } from '../errors.js';
import type { BoardSource } from '../source/board-source.js';
import { describeFailure } from '../failure.js';
import { LiveView, type Viewer } from './live-view.js';
import type { ViewQuestion } from './view-question.js';

export interface LiveViewsOptions {
  readonly source: BoardSource;
  readonly clock: Clock;
  readonly payloads: boolean;
  /** Least time between two reads of a view, in milliseconds. */
  readonly everyMs: number;
}

/** Browsers that look at once, at most: each holds a connection and at most a few texts. */
const MAX_VIEWERS = 64;
/** Least time between two reads of a view, in milliseconds. */
export const EVERY_MS = 2_000;
/** A read that takes longer is told as trouble. */
const LATE_MS = 5_000;

/** All views that are looked at, one {@link LiveView} for each question. */
export class LiveViews {
  readonly #views = new Map<string, LiveView>();
  #viewers = 0;

  constructor(private readonly options: LiveViewsOptions) {}

  /**
   * Tells the viewer of the view from now on; the answer ends that.
   * @throws BOARD_BUSY
   */
  watch(question: ViewQuestion, viewer: Viewer): () => void {
    if (this.#viewers >= MAX_VIEWERS) {
      throw new AggregateBoardError(
        'BOARD_BUSY',
        `expected at most ${MAX_VIEWERS} pages open at once, found one more; close one that is not needed`,
      );
    }
    const key = JSON.stringify(question);
    const view = this.#views.get(key) ?? this.#open(key, question);
    this.#viewers++;
    view.add(viewer);
    let isWatching = true;
    return () => {
      if (!isWatching) return;
      isWatching = false;
      this.#viewers--;
      view.remove(viewer);
      if (!view.isWatched) this.#views.delete(key);
    };
  }

  /** Something was changed: every view is read at once. */
  refresh(): void {
    for (const view of this.#views.values()) view.refresh();
  }

  #open(key: string, question: ViewQuestion): LiveView {
    const { clock, everyMs } = this.options;
    const read = (): Promise<unknown> => this.#read(question);
    const view = new LiveView({ clock, everyMs, read, lateMs: LATE_MS, describe: describeFailure });
    this.#views.set(key, view);
    return view;
  }

  #read(question: ViewQuestion): Promise<unknown> {
    const { source, payloads } = this.options;
    switch (question.view) {
      case 'overview':
        return source.overview();
      case 'group':
        return source.group(question.ref, question.troubles);
      case 'aggregate':
        return source.aggregate({ ...question, payloads });
    }
  }
}
