interface Span {
  /** When its first and its last ack were confirmed. */
  readonly from: number;
  until: number;
  readonly sequences: number[];
}

/** Acks confirmed within so much time share one entry. */
const SPAN_MS = 100;

/**
 * The sequences of acks that were confirmed lately. Kept as plain numbers, some thousand to an entry: at full speed
 * these are some hundred thousand sequences, and an object for each would keep the garbage collector busy.
 * What it returns may be older than asked for by {@link SPAN_MS}, never newer.
 */
export class RecentAcks {
  #spans: Span[] = [];

  /** When the last ack was confirmed; 0 if none was. */
  get newestAt(): number {
    return this.#spans.at(-1)?.until ?? 0;
  }

  add(sequence: number, now: number): void {
    let span = this.#spans.at(-1);
    if (span === undefined || now - span.from >= SPAN_MS) {
      span = { from: now, until: now, sequences: [] };
      this.#spans.push(span);
    }
    span.until = now;
    span.sequences.push(sequence);
  }

  /** Everything confirmed since then. */
  since(at: number): number[] {
    return this.#spans.filter(({ until }) => until >= at).flatMap(({ sequences }) => sequences);
  }

  forgetBefore(at: number): void {
    const keep = this.#spans.findIndex(({ until }) => until >= at);
    if (keep > 0) this.#spans.splice(0, keep);
  }

  /** These are confirmed anew, now. */
  renew(renewed: readonly number[], now: number): void {
    const again = new Set(renewed);
    this.#spans = this.#spans
      .map(({ from, until, sequences }) => ({
        from,
        until,
        sequences: sequences.filter((sequence) => !again.has(sequence)),
      }))
      .filter(({ sequences }) => sequences.length > 0);
    for (const sequence of renewed) this.add(sequence, now);
  }

  clear(): void {
    this.#spans = [];
  }
}
