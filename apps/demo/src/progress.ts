import { Presets, SingleBar } from 'cli-progress';

const LINE_EVERY_MS = 1_000;

/** Shows how far a run is: a bar on a terminal, a plain line per second elsewhere. */
export class Progress {
  readonly #bar: SingleBar | undefined;
  #linePrintedAt = 0;

  constructor(
    private readonly what: string,
    private readonly total: number,
  ) {
    if (process.stdout.isTTY) {
      this.#bar = new SingleBar(
        { format: `${what} {bar} {value}/{total} ({percentage} %, {duration_formatted})`, hideCursor: true },
        Presets.shades_classic,
      );
      this.#bar.start(total, 0);
    }
  }

  update(value: number): void {
    this.#bar?.update(value);
    const now = performance.now();
    if (this.#bar === undefined && now - this.#linePrintedAt >= LINE_EVERY_MS) {
      this.#linePrintedAt = now;
      console.log(`${this.what}: ${value} of ${this.total}`);
    }
  }

  end(value: number): void {
    this.#bar?.update(value);
    this.#bar?.stop();
    if (this.#bar === undefined) console.log(`${this.what}: ${value} of ${this.total}`);
  }
}
