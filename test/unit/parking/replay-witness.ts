import type { Delivery } from '#library/message/delivery.js';

/** An effect's row, as a guarded store keeps it. */
interface Row {
  readonly position: bigint;
  readonly token: number;
}

interface Ask {
  readonly token: string;
  readonly from: number;
  /** Events that the replay must bring. */
  readonly wanted: Set<number>;
}

const RUN = 2n ** 48n;

/**
 * What an application sees of replays: a row for each aggregate, guarded by position and fencing token. An effect may
 * happen twice only by a replay, and never be refused before it has happened.
 */
export class ReplayWitness {
  readonly red: string[] = [];
  /** Effects that happened again, by a replay. */
  again = 0;
  /** Repeats that the guard refused. */
  refused = 0;
  completed = 0;
  readonly #rows = new Map<string, Row>();
  readonly #applied = new Set<number>();
  readonly #started = new Map<string, bigint>();
  readonly #asks = new Map<string, Ask>();

  /** A handler starts. */
  start({ token, sequence }: Delivery, { run, epoch }: { run: number; epoch: number }): void {
    const key = `${epoch} ${token}`;
    const position = BigInt(run) * RUN + BigInt(sequence);
    const last = this.#started.get(key) ?? 0n;
    if (position < last)
      this.red.push(`ORDER: e${epoch} starts ${token}${sequence} at ${position} after ${last}`);
    this.#started.set(key, position);
  }

  /** A handler ends well: its effect is written, if the guard lets it. */
  end(event: Delivery, { run, epoch }: { run: number; epoch: number }): void {
    const { token, sequence, origin } = event;
    const position = BigInt(run) * RUN + BigInt(sequence);
    const row = this.#rows.get(token) ?? { position: 0n, token: 0 };
    if (epoch < row.token) return;
    if (position <= row.position) {
      this.refused++;
      if (!this.#applied.has(sequence))
        this.red.push(
          `REFUSED: ${token}${sequence} at ${position}, below ${row.position}, never had its effect`,
        );
    } else {
      const isAgain = this.#applied.has(sequence);
      if (isAgain && origin.isReplay === undefined)
        this.red.push(`DOUBLE: ${token}${sequence} had its effect again without a replay`);
      if (isAgain) this.again++;
      this.#applied.add(sequence);
      for (const ask of this.#asks.values()) ask.wanted.delete(sequence);
    }
    this.#rows.set(token, { position: position > row.position ? position : row.position, token: epoch });
  }

  /** An operator asks for these events again. The same request twice is one. */
  ask(token: string, from: number, events: Iterable<number>): (isDone: boolean) => void {
    const key = `${token} ${from}`;
    const ask = this.#asks.get(key) ?? { token, from, wanted: this.#handled(events) };
    this.#asks.set(key, ask);
    return (isDone) => {
      // Another one that asked for the same may have heard of it first.
      if (this.#asks.get(key) !== ask) return;
      this.#asks.delete(key);
      if (!isDone) return;
      this.completed++;
      const missing = [...ask.wanted];
      if (missing.length > 0)
        this.red.push(`REPLAY: of ${token} from ${from} left out ${missing.join(', ')}`);
    };
  }

  /** An owner answers that a command failed. Its operator may only find the marker gone, by a later retry. */
  failed(token: string): void {
    for (const [key, ask] of this.#asks) if (ask.token === token) this.#asks.delete(key);
  }

  /** What is not handled yet comes live. */
  #handled(events: Iterable<number>): Set<number> {
    return new Set([...events].filter((sequence) => this.#applied.has(sequence)));
  }

  /** In the end every event has had its effect. */
  finish(events: Iterable<readonly [number, string]>): void {
    for (const [sequence, token] of events)
      if (!this.#applied.has(sequence)) this.red.push(`EFFECT: of ${token}${sequence} was lost`);
  }
}
