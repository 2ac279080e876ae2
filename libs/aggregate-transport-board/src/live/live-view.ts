import type { Clock } from '../clock.js';

/** A page that shows a view. It is told the newest state only, as fast as it takes it. */
export interface Viewer {
  readonly tell: (event: string, data: string) => void;
}

export interface LiveViewOptions {
  readonly clock: Clock;
  readonly read: () => Promise<unknown>;
  /** What a failed read is told as. */
  readonly describe: (error: unknown) => { readonly code: string; readonly text: string };
  /** Least time between two reads, in milliseconds. */
  readonly everyMs: number;
  /** A read that takes longer is told as trouble, and is waited for. */
  readonly lateMs: number;
}

/** A read may take this part of the time at most: what is slow to read is read less often. */
const PAUSE_PER_READ = 4;

type Mode = 'resting' | 'reading' | 'pausing';
const MAY_COME_FROM: Readonly<Record<Mode, readonly Mode[]>> = {
  resting: ['reading', 'pausing'],
  reading: ['resting', 'pausing'],
  pausing: ['reading'],
};

/**
 * Reads one view again and again for all its viewers. There is one read at a time, however many they are, and none
 * without a viewer. Its modes:
 *
 * - `resting`: no viewers.
 * - `reading`: the source is asked.
 * - `pausing`: until the next read is due.
 */
export class LiveView {
  #mode: Mode = 'resting';
  readonly #viewers = new Set<Viewer>();
  #newest: string | undefined;
  #cancelPause: () => void = () => undefined;

  constructor(private readonly options: LiveViewOptions) {}

  get isWatched(): boolean {
    return this.#viewers.size > 0;
  }

  add(viewer: Viewer): void {
    this.#viewers.add(viewer);
    if (this.#newest !== undefined) viewer.tell('view', this.#newest);
    if (this.#mode === 'resting') void this.#read();
  }

  remove(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.isWatched || this.#mode !== 'pausing') return;
    this.#cancelPause();
    this.#enter('resting');
  }

  /** Reads at once if it pauses: something was changed. */
  refresh(): void {
    if (this.#mode !== 'pausing') return;
    this.#cancelPause();
    void this.#read();
  }

  async #read(): Promise<void> {
    this.#enter('reading');
    const { clock, read, describe, everyMs, lateMs } = this.options;
    const startedAt = clock.wallNow();
    const cancelLate = clock.after(lateMs, () =>
      this.#tell('trouble', JSON.stringify({ code: 'late', text: LATE })),
    );
    try {
      this.#newest = JSON.stringify(await read());
      this.#tell('view', this.#newest);
    } catch (error) {
      this.#tell('trouble', JSON.stringify(describe(error)));
    } finally {
      cancelLate();
    }
    if (!this.isWatched) {
      this.#enter('resting');
      return;
    }
    this.#enter('pausing');
    const tookMs = clock.wallNow() - startedAt;
    this.#cancelPause = clock.after(Math.max(everyMs, tookMs * PAUSE_PER_READ), () => void this.#read());
  }

  #tell(event: string, data: string): void {
    for (const viewer of this.#viewers) viewer.tell(event, data);
  }

  #enter(mode: Mode): void {
    if (!MAY_COME_FROM[mode].includes(this.#mode))
      throw new Error(`a live view cannot come from ${this.#mode} to ${mode}`);
    this.#mode = mode;
  }
}

const LATE =
  'the NATS server has not answered yet; what stands here is older. See that it runs and can be reached.';
