import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Settleable } from '#library/settlement/ack-chain.js';
import { AcksBench, type SentAck } from './acks-bench.js';

/**
 * A process's acks on their way to a server. What a connection holds may arrive long after the process has turned to
 * another one: a black hole that ends. In rows it arrives in its order, and a cut takes an end; otherwise in any, and anything may be lost.
 */
class World {
  readonly bench: AcksBench;
  /** What the server holds as settled, in the order of its settling. */
  readonly settled: number[] = [];
  readonly handled = new Map<string, Settleable[]>();
  #links: SentAck[][] = [[]];
  #seen = 0;
  #sequence = 0;

  constructor(private readonly inRows: boolean) {
    this.bench = new AcksBench({ inRows });
    this.bench.resume();
  }

  get isSettled(): boolean {
    return this.settled.length === this.#sequence && this.bench.acks.size === 0;
  }

  handle(token: string): void {
    const event = { token, sequence: ++this.#sequence, ackSubject: '' };
    this.handled.set(token, [...(this.handled.get(token) ?? []), event]);
    this.bench.acks.add(event);
  }

  /** What the process has sent is on its way, on the newest connection. */
  async turn(): Promise<void> {
    await this.bench.clock.settle();
    this.#links.at(-1)?.push(...this.bench.wire.slice(this.#seen));
    this.#seen = this.bench.wire.length;
  }

  /** Something arrives at the server, on any connection, and its confirmation at the process. */
  arrive(luck: number, isHeard: boolean): void {
    const open = this.#links.filter((link) => link.length > 0);
    const link = open[luck % Math.max(1, open.length)];
    if (link === undefined) return;
    const [ack] = link.splice(this.inRows ? 0 : luck % link.length, 1);
    this.#settle(ack!, isHeard);
  }

  lose(luck: number): void {
    const link = this.#links[luck % this.#links.length];
    if (this.inRows) link?.splice(luck % (link.length + 1));
    else link?.splice(luck % (link.length + 1), 1);
    // An end that is lost has lost its connection.
    if (this.inRows && link === this.#links.at(-1)) this.takeOver();
  }

  /** A new connection. What the server holds as unsettled comes again behind a fence, and what was handled is known. */
  takeOver(): void {
    const { acks } = this.bench;
    acks.pause();
    this.#links.push([]);
    const settled = new Set(this.settled);
    const unsettled = [...this.handled.values()].flat().filter(({ sequence }) => !settled.has(sequence));
    for (const event of unsettled.sort((a, b) => a.sequence - b.sequence)) acks.redelivered(event);
    this.bench.resume();
  }

  /** The server is killed: it forgets what it settled last, and what was on its way. */
  kill(forgotten: number): void {
    this.settled.splice(Math.max(0, this.settled.length - forgotten));
    this.#links = [];
    this.takeOver();
  }

  check(): void {
    const settled = new Set(this.settled);
    for (const [token, events] of this.handled) {
      const sequences = events.map(({ sequence }) => sequence);
      const here = sequences.filter((sequence) => settled.has(sequence));
      expect({ token, settled: here }).toEqual({ token, settled: sequences.slice(0, here.length) });
      const onTheWay = this.#links.flat().map(({ sequence }) => sequence);
      const late = sequences.filter((sequence) => onTheWay.includes(sequence) && !settled.has(sequence));
      expect({ token, onTheWay: late.slice(1) }).toEqual({ token, onTheWay: [] });
    }
  }

  #settle({ sequence, number }: SentAck, isHeard: boolean): void {
    if (!this.settled.includes(sequence)) this.settled.push(sequence);
    if (isHeard && number !== undefined) this.bench.acks.confirmed(number);
  }
}

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ handle: fc.constantFrom('a', 'b', 'c') }) },
  { weight: 8, arbitrary: fc.record({ arrive: fc.nat(1_000), isHeard: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ lose: fc.nat(1_000) }) },
  { weight: 2, arbitrary: fc.record({ wait: fc.integer({ min: 1, max: 500 }) }) },
  { weight: 1, arbitrary: fc.record({ takeOver: fc.constant(true) }) },
  { weight: 1, arbitrary: fc.record({ kill: fc.nat(5) }) },
);

test.each([false, true])(
  'whatever is lost, late or forgotten, what is settled is a prefix of what was handled, and one ack of an aggregate at most is on its way; in rows: %s',
  async (inRows) => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const world = new World(inRows);
        for (const step of actions) {
          if ('handle' in step) world.handle(step.handle);
          else if ('arrive' in step) world.arrive(step.arrive, inRows || step.isHeard);
          else if ('lose' in step) world.lose(step.lose);
          else if ('wait' in step) await world.bench.clock.advance(step.wait);
          else if ('takeOver' in step) world.takeOver();
          else world.kill(step.kill);
          // One action in three shares its turn with the next.
          if (actions.indexOf(step) % 3 > 0) await world.turn();
          world.check();
        }
        for (let round = 0; !world.isSettled && round < 1_000; round++) {
          await world.turn();
          world.arrive(0, true);
          if (round % 20 === 19) await world.bench.clock.advance(500);
          world.check();
        }
        expect(world.isSettled).toBe(true);
      }),
      { numRuns: 300 },
    );
  },
);
