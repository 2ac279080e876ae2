import { TestingStreams } from '#library/testing/memory/testing-streams.js';
import { Fates, seeded } from './chance.js';
import { NaiveConsumer } from './naive.js';
import { Replica } from './replica.js';
import { nameOf, Side } from './side.js';

const KEYS = 6;
const PUBLISH_EVERY_MS = 90;
/** With more chaos than this, replicas come and go, too. */
const REPLICAS_FROM = 0.3;
const REPLACE_EVERY_MS = 4_000;

/** What stands on the page: one load, handled in two ways. The same seed and the same slider give the same run. */
export class Run {
  readonly naive = new Side(KEYS);
  readonly ours = new Side(KEYS);
  readonly #streams = new TestingStreams();
  readonly #fates: Fates;
  readonly #consumer: NaiveConsumer;
  readonly #random: () => number;
  readonly #replicas: Replica[] = [];
  readonly #publisher: Replica;
  #changing: Promise<void> | undefined;
  isPublishing = true;
  replaced = 0;

  constructor(seed: number) {
    this.#fates = new Fates(seed);
    this.#random = seeded(seed);
    this.#consumer = new NaiveConsumer(this.naive, this.#fates, this.#streams.clock);
    this.#publisher = this.#replica();
  }

  set chaos(value: number) {
    this.#fates.chaos = value;
  }

  get simulatedMs(): number {
    return this.#streams.clock.now();
  }

  async start(): Promise<void> {
    for (let count = 0; count < 2; count++) await this.#join();
    this.#streams.clock.after(PUBLISH_EVERY_MS, () => this.#publish());
    this.#streams.clock.after(REPLACE_EVERY_MS, () => this.#replace());
  }

  /** Lets time pass on both sides. */
  step(ms: number): Promise<void> {
    return this.#streams.advance(ms);
  }

  #publish(): void {
    this.#streams.clock.after(PUBLISH_EVERY_MS, () => this.#publish());
    if (!this.isPublishing) return;
    const key = Math.floor(this.#random() * KEYS);
    this.#consumer.publish(key);
    const n = this.ours.published(key);
    void this.#publisher.publish(nameOf(key), { key, n });
  }

  /** One replica joins and the oldest one goes, as in a deploy. */
  #replace(): void {
    this.#streams.clock.after(REPLACE_EVERY_MS, () => this.#replace());
    if (this.#fates.chaos < REPLICAS_FROM || this.#changing !== undefined) return;
    this.#changing = this.#join()
      .then(() => this.#replicas.shift()?.stop())
      .then(() => {
        this.replaced += 1;
        this.#changing = undefined;
      });
  }

  async #join(): Promise<void> {
    const replica = this.#replica();
    this.#replicas.push(replica);
    await replica.start();
  }

  #replica(): Replica {
    return new Replica(this.#streams, (key, n, attempt) => this.#handle(key, n, attempt));
  }

  #handle(key: number, n: number, attempt: number): Promise<void> {
    const { takesMs, fails } = this.#fates.of(key, n, attempt);
    const ended = this.ours.started(key, n);
    return new Promise((resolve, reject) => {
      this.#streams.clock.after(takesMs, () => {
        ended(!fails);
        if (fails) reject(new Error('as the slider wants it'));
        else resolve();
      });
    });
  }
}
