import { partitionOf } from '#library/message/partitioning.js';
import { firstGroupRecord } from '#library/records/group-record.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { GroupKeys, type KeptEvent } from './group-keys.js';
import { CREATED, isSettled } from './positions.js';

export interface Start {
  readonly event: KeptEvent;
  readonly layout: number;
  readonly token: number;
  readonly run: number;
  /** When the lease of the process that starts it ends. */
  readonly deadline: number;
}

/** What has happened in one run: a reset begins the next. */
interface Run {
  /** Events up to here are not handled in this run. */
  readonly floor: number;
  readonly ended: Set<number>;
  /** What a claimed position called settled: it is never started again in this run. */
  readonly knownSettled: Set<number>;
  readonly starts: number[];
}

const TOKENS = Array.from({ length: 6 }, (_, index) => `order-${index}`);

/** The server's keys, the stream, the clock, and what the walk must never see. */
export class World {
  readonly keys = new GroupKeys();
  readonly violations: string[] = [];
  now = 0;
  /** Of the last lease: each is taken in a term of its own. */
  term = 0;
  readonly #running = new Map<string, Start>();
  readonly #tokens = new Map<string, number>();
  readonly #runs = new Map<number, Run>();

  constructor(partitions: number) {
    const { group } = this.keys;
    group.put(firstGroupRecord(partitions, { sequence: 0, created: CREATED }));
    this.#beginRun();
    const write = group.write.bind(group);
    group.write = (value, revision) => {
      const written = write(value, revision);
      this.#beginRun();
      return written;
    };
  }

  publish(aggregate: number): void {
    const sequence = this.keys.events.length + 1;
    const token = TOKENS[aggregate % TOKENS.length]!;
    this.keys.events = [...this.keys.events, { token, sequence }];
    this.keys.state = { created: CREATED, firstSequence: 1, lastSequence: sequence, isRestored: false };
  }

  eventsOf(partitions: number, partition: number): KeptEvent[] {
    return this.keys.events.filter(({ token }) => partitionOf(token, partitions) === partition);
  }

  /** Time passes, but not past the deadline of a process whose handler runs: that is another promise. */
  pass(ms: number): void {
    const deadlines = [...this.#running.values()].map(({ deadline }) => deadline - 1);
    this.now = Math.max(this.now, Math.min(this.now + ms, ...deadlines));
  }

  started(start: Start): void {
    const { event, layout, token, run } = start;
    const what = `${event.token} ${event.sequence}`;
    const inForce = this.keys.record;
    if (layout !== inForce.layout)
      this.violations.push(`${what} starts in layout ${layout}, not ${inForce.layout}`);
    if (token < (this.#tokens.get(event.token) ?? 0))
      this.violations.push(`the token of ${what} falls to ${token}`);
    this.#tokens.set(event.token, token);
    if (this.#running.has(event.token)) this.violations.push(`${what} starts while its aggregate is busy`);
    this.#running.set(event.token, start);
    const { floor, ended, knownSettled, starts } = this.runOf(run);
    if (event.sequence <= floor) this.violations.push(`${what} starts at or below the start of run ${run}`);
    if (knownSettled.has(event.sequence))
      this.violations.push(`${what} starts again although it was settled`);
    const before = this.keys.events.filter(
      ({ token: of, sequence }) => of === event.token && sequence > floor && sequence < event.sequence,
    );
    const open = before.find(({ sequence }) => !ended.has(sequence));
    if (open !== undefined) this.violations.push(`${what} starts before ${open.sequence} has ended`);
    starts.push(event.sequence);
  }

  ended({ event, run }: Start): void {
    this.#running.delete(event.token);
    this.runOf(run).ended.add(event.sequence);
  }

  /** The process is dead: its handlers are gone. */
  died(starts: Iterable<Start>): void {
    for (const start of starts) this.#running.delete(start.event.token);
  }

  claimed(record: PositionRecord, partitions: number, partition: number): void {
    const { floor, ended, knownSettled } = this.runOf(record.run);
    for (const event of this.eventsOf(partitions, partition)) {
      if (event.sequence <= floor || !isSettled(record, event)) continue;
      if (!ended.has(event.sequence)) {
        this.violations.push(`${event.token} ${event.sequence} is called settled and was never handled`);
      }
      knownSettled.add(event.sequence);
    }
  }

  runOf(run: number): Run {
    const known = this.#runs.get(run);
    if (known === undefined) throw new Error(`run ${run} has never begun`);
    return known;
  }

  /** A reset is in force, or the group has started. */
  #beginRun(): void {
    const { start, run } = this.keys.record;
    if (this.#runs.has(run)) return;
    const sets = { ended: new Set<number>(), knownSettled: new Set<number>() };
    this.#runs.set(run, { floor: start.sequence, ...sets, starts: [] });
  }

  /** True if the group has handled all that it must handle, and no change is under way. */
  isDone(): boolean {
    const { change, run } = this.keys.record;
    if (change !== undefined) return false;
    const { floor, ended } = this.runOf(run);
    return this.keys.events.every(({ sequence }) => sequence <= floor || ended.has(sequence));
  }
}
