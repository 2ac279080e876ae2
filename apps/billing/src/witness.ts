import { Injectable } from '@nestjs/common';
import type { AggregateContext } from 'nestjs-aggregate-transport';

export interface WitnessReport {
  handled: number;
  retried: number;
  orderViolations: number;
  overlaps: number;
  /** Milliseconds from the event's timestamp to the end of its handler, sorted. */
  latencies: number[];
}

/**
 * Watches the order from outside the handlers. The publisher numbers each aggregate's events 1, 2, 3, … in
 * `aggregateVersion`. Here they must come one at a time and without a gap.
 */
@Injectable()
export class Witness {
  readonly #lastVersions = new Map<string, number>();
  readonly #running = new Set<string>();
  readonly #latencies: number[] = [];
  #handled = 0;
  #retried = 0;
  #orderViolations = 0;
  #overlaps = 0;

  started(event: AggregateContext): void {
    const key = keyOf(event);
    if (this.#running.has(key)) this.#overlaps++;
    this.#running.add(key);
    const last = this.#lastVersions.get(key) ?? 0;
    const version = event.aggregateVersion ?? last + 1;
    if (version > last + 1) this.#orderViolations++;
    if (event.attempt > 1) this.#retried++;
  }

  ended(event: AggregateContext, ok: boolean): void {
    const key = keyOf(event);
    this.#running.delete(key);
    if (!ok) return;
    this.#handled++;
    this.#lastVersions.set(key, event.aggregateVersion ?? (this.#lastVersions.get(key) ?? 0) + 1);
    this.#latencies.push(Date.now() - event.timestamp.getTime());
  }

  report(): WitnessReport {
    return {
      handled: this.#handled,
      retried: this.#retried,
      orderViolations: this.#orderViolations,
      overlaps: this.#overlaps,
      latencies: this.#latencies.toSorted((a, b) => a - b),
    };
  }

  get handled(): number {
    return this.#handled;
  }
}

function keyOf(event: AggregateContext): string {
  return `${event.topic}/${event.aggregateId}`;
}
