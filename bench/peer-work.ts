import { OrderWitness } from './order-witness.js';

// The work that every contender of the peers suite does; its worker and ours share it.

/** Publish calls under way at once. */
const WINDOW = 1_000;
/** A service that has handled nothing for so long will handle nothing more: a first repeat comes after 2 s at the latest. */
const QUIET_MS = 4_000;

export interface PeerEvent {
  readonly aggregateId: string;
  readonly version: number;
  readonly text: string;
}

/** The keys take turns; versions of a key rise by one, from 1. */
export function eventOf(index: number, keys: number): PeerEvent {
  return { aggregateId: `a${index % keys}`, version: 1 + Math.floor(index / keys), text: 'x'.repeat(100) };
}

/** Publishes all events in call order with a window of calls under way; resolves with events per second. */
export async function publishAll(
  events: number,
  publish: (index: number) => Promise<unknown>,
): Promise<number> {
  const startedAt = performance.now();
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < events) await publish(next++);
  };
  await Promise.all(Array.from({ length: Math.min(WINDOW, events) }, one));
  return (events * 1_000) / (performance.now() - startedAt);
}

export interface HandledEventsOptions {
  readonly events: number;
  /** Handlers take 0 to so many milliseconds; 0: they are synchronous. */
  readonly maxMs: number;
  /** This part of the events fails in its first attempt. */
  readonly failShare: number;
}

/** What a service has handled, and in which order. */
export class HandledEvents {
  readonly #witness = new OrderWitness();
  readonly #seen = new Set<string>();
  readonly #failed = new Set<string>();
  #startedAt = 0;
  #lastAt = 0;

  constructor(private readonly options: HandledEventsOptions) {}

  /** The handler. */
  handle(aggregateId: string, version: number): Promise<void> | undefined {
    const { maxMs } = this.options;
    if (this.#startedAt === 0) this.#startedAt = performance.now();
    this.#witness.begin(aggregateId, version);
    if (maxMs === 0) {
      this.#end(aggregateId, version);
      return undefined;
    }
    return new Promise((resolve) => setTimeout(resolve, Math.random() * maxMs)).then(() =>
      this.#end(aggregateId, version),
    );
  }

  /** Resolves when all events were handled, or none for long. */
  async done(): Promise<Record<string, number>> {
    this.#lastAt = performance.now();
    while (this.#seen.size < this.options.events && performance.now() - this.#lastAt < QUIET_MS)
      await new Promise((resolve) => setTimeout(resolve, 10));
    return {
      rate: (this.#seen.size * 1_000) / (this.#lastAt - this.#startedAt),
      violations: this.#witness.violations,
      missing: this.options.events - this.#seen.size,
    };
  }

  #end(aggregateId: string, version: number): void {
    const event = `${aggregateId} ${version}`;
    const fails = hashOf(event) < this.options.failShare && !this.#failed.has(event);
    this.#lastAt = performance.now();
    if (fails) {
      this.#failed.add(event);
      this.#witness.failed(aggregateId);
      throw new Error('fails once, as the bench wants it');
    }
    this.#witness.end(aggregateId, version);
    this.#seen.add(event);
  }
}

/** The same part of all events for every contender: a number from 0 to 1 that depends on the text only. */
function hashOf(text: string): number {
  let hash = 2_166_136_261;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 16_777_619) >>> 0;
  return hash / 2 ** 32;
}

/** Answers the suite over the channel of the process, until it says stop. */
export function serve(
  app: { close(): Promise<void> },
  handled: HandledEvents,
  publish: () => Promise<number>,
): void {
  process.on('message', ({ kind }: { kind: string }) => {
    if (kind === 'publish') void publish().then((rate) => process.send?.({ kind: 'published', rate }));
    if (kind === 'count')
      void handled.done().then((counts) => process.send?.({ kind: 'counted', ...counts }));
    if (kind === 'stop') void app.close().finally(() => process.exit(0));
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ kind: 'ready' });
}
