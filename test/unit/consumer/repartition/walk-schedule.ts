import { AggregateTransportError } from '#library/errors.js';

/** Random numbers from a seed, the same on every machine. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 to 1, without 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  happens(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }
}

/** A process of the walk. A dead one never hears an answer; what it has sent may still arrive. */
export class Process {
  alive = true;
  /** The step from which it runs again: it sleeps until then. */
  sleepsUntil = 0;

  constructor(readonly name: string) {}
}

interface Ticket {
  readonly process: Process;
  /** A request that waits to reach the server, or an answer that waits to reach the process. */
  readonly kind: 'request' | 'answer';
  readonly run: () => void;
}

/** Every request of every process waits here until the walk lets it happen, in any order. */
export class Schedule {
  #step = 0;
  #tickets: Ticket[] = [];
  /** Answers may be lost, and take their time. */
  isFaulty = true;

  constructor(private readonly dice: Dice) {}

  get step(): number {
    return this.#step;
  }

  /** Sends a request; the answer may be lost although the request was carried out, or not. */
  request<T>(process: Process, carryOut: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const answer = (run: () => void): void => {
        const deliver = (): void => {
          if (process.alive) run();
        };
        if (this.isFaulty && this.dice.happens(0.3))
          this.#tickets.push({ process, kind: 'answer', run: deliver });
        else deliver();
      };
      this.#tickets.push({
        process,
        kind: 'request',
        run: () => {
          // What a dead process has sent arrives late, or never.
          if (!process.alive && this.dice.happens(0.5)) return;
          const isLost = this.isFaulty && this.dice.happens(0.03);
          if (isLost && this.dice.happens(0.5)) {
            answer(() => reject(noAnswer()));
            return;
          }
          void carryOut().then(
            (value) => answer(() => (isLost ? reject(noAnswer()) : resolve(value))),
            (error: unknown) => answer(() => reject(error)),
          );
        },
      });
    });
  }

  /** Lets time pass for a process: other steps may come in between. */
  turn(process: Process): Promise<void> {
    return new Promise((resolve) => {
      const run = (): void => {
        if (process.alive) resolve();
      };
      this.#tickets.push({ process, kind: 'answer', run });
    });
  }

  /** One step of the walk. Resolves with false if none can be taken. */
  async advance(): Promise<boolean> {
    this.#step++;
    const ready = this.#tickets.filter(({ process }) => process.sleepsUntil <= this.#step);
    const ticket = this.dice.pick(ready);
    if (ticket === undefined) return false;
    this.#tickets.splice(this.#tickets.indexOf(ticket), 1);
    ticket.run();
    await new Promise((resolve) => setImmediate(resolve));
    return true;
  }
}

function noAnswer(): AggregateTransportError {
  return new AggregateTransportError('JETSTREAM_REQUEST_FAILED', 'no answer');
}
