import { type Clock, delay } from '../clock.js';
import { describeError, hasCode } from '../errors.js';
import type { LeaseRecord } from '../records/lease-record.js';
import {
  type ChangeProgress,
  isUnowned,
  Repartition,
  type RepartitionPorts,
} from '../consumer/repartition/repartition.js';
import type { GroupLayout } from '../records/group-record.js';
import { isPartitionCount } from '../message/partitioning.js';
import type { StoredValue } from '../records/key-port.js';
import { type Terminal, UsageError } from './terminal.js';

/** What the command line says. */
export interface RepartitionArguments {
  readonly topic: string | undefined;
  readonly group: string | undefined;
  /** How many partitions the group shall have; undefined to see or cancel a change, or go on with it. */
  readonly partitions: number | undefined;
  readonly cancel: boolean;
  readonly resume: boolean;
  readonly json: boolean;
  readonly yes: boolean;
  /** How long to wait for the end, in milliseconds; the change goes on without the command. */
  readonly waitMs: number;
}

export interface RepartitionCommandOptions {
  readonly ports: (topic: string, group: string) => RepartitionPorts;
  readonly terminal: Terminal;
  readonly clock: Clock;
}

/** A partition that is not drained, and what keeps it so. */
interface Open {
  readonly partition: number;
  /** Nobody holds its lease, so nobody drains it. */
  readonly unowned: boolean;
  readonly running: NonNullable<LeaseRecord['running']>;
}

const LOOK_EVERY_MS = 200;
const REPORT_EVERY_MS = 1_000;
const MAX_NAMED = 5;
/** A lease whose revision stands still for its ttl and this long has no owner. */
const MARGIN_MS = 500;

/** `aggregate-transport repartition`. Resolves with the exit code: 0 done, 1 not done. */
export class RepartitionCommand {
  /** When each lease was seen to move last, by partition. */
  #seen = new Map<number, { revision: number; at: number }>();
  #reported = '';
  #reportAt = 0;

  constructor(private readonly options: RepartitionCommandOptions) {}

  async run(args: RepartitionArguments): Promise<number> {
    const { topic, group, partitions } = args;
    if (topic === undefined || group === undefined) throw new UsageError('expected a topic and a group');
    const repartition = new Repartition(
      `topic "${topic}", group "${group}"`,
      this.options.ports(topic, group),
    );
    const layout = await repartition.layout();
    if (args.cancel) return this.#cancel(args, repartition);
    if (partitions === undefined && !args.resume)
      throw new UsageError(
        'expected the number of partitions the group shall have, or --resume, or --cancel',
      );
    const to = partitions ?? layout.change?.to ?? layout.partitions;
    if (!isPartitionCount(to))
      throw new UsageError(`expected a power of two from 1 to 256 partitions, found ${partitions ?? ''}`);
    if (layout.partitions === to && layout.change === undefined) {
      await repartition.removeFormer();
      this.#say(args, { state: 'done', partitions: to }, `the group has ${to} partitions`);
      return 0;
    }
    const until = this.options.clock.now() + args.waitMs;
    if (layout.change === undefined) await this.#confirm(args, layout, to);
    if (!(await this.#begin(args, { repartition, to, until }))) return 1;
    return this.#await(args, { repartition, to, until });
  }

  async #cancel(args: RepartitionArguments, repartition: Repartition): Promise<number> {
    const cancelled = await repartition.cancel();
    const { partitions } = await repartition.layout();
    this.#say(
      args,
      { state: cancelled ? 'cancelled' : 'none', partitions },
      cancelled
        ? `cancelled; the group keeps ${partitions} partitions`
        : `no change is under way; the group has ${partitions} partitions`,
    );
    return cancelled ? 0 : 1;
  }

  async #confirm(
    { group, yes }: RepartitionArguments,
    { partitions }: GroupLayout,
    to: number,
  ): Promise<void> {
    if (yes) return;
    const typed = await this.options.terminal.ask(
      `About to change group "${group ?? ''}" from ${partitions} to ${to} partitions. It handles nothing while its running ` +
        'handlers end. Type the name of the group to go on: ',
    );
    if (typed !== group)
      throw new UsageError('not confirmed; nothing was done (--yes goes on without asking)');
  }

  async #begin(args: RepartitionArguments, { repartition, to, until }: Wanted): Promise<boolean> {
    for (;;) {
      if (await this.#tryOn(args, () => repartition.begin(to), until)) return true;
      if (this.options.clock.now() > until) {
        this.#say(args, { state: 'not begun' }, 'not begun: the change before is still being caught up with');
        return false;
      }
      const waiting = await repartition.notReady();
      this.#report(
        args,
        { state: 'waiting', partitions: waiting },
        `waiting until partitions ${name(waiting)} have caught up with the change before`,
      );
      await delay(this.options.clock, LOOK_EVERY_MS);
    }
  }

  async #await(args: RepartitionArguments, { repartition, to, until }: Wanted): Promise<number> {
    const { clock } = this.options;
    for (;;) {
      const progress = await this.#tryOn(args, () => repartition.advance(), until);
      if (progress.kind === 'none') return this.#ended(args, progress.layout, to);
      const open = this.#openOf(progress);
      const { partitions } = progress.layout;
      const drained = partitions - open.length;
      const what = { state: 'draining', from: partitions, to: progress.change.to, drained, open };
      this.#report(args, what, `drained ${drained} of ${partitions}${sayOpen(open)}`);
      if (clock.now() > until) {
        this.#say(
          args,
          { ...what, state: 'waiting' },
          `not done within ${args.waitMs} ms: drained ${drained} of ${partitions}${sayOpen(open)}; the change goes on without this ` +
            'command; run it again to watch it, or with --cancel to call it off',
        );
        return 1;
      }
      await delay(clock, LOOK_EVERY_MS);
    }
  }

  #ended(args: RepartitionArguments, { partitions }: GroupLayout, to: number): number {
    const isDone = partitions === to;
    this.#say(
      args,
      { state: isDone ? 'done' : 'cancelled', partitions },
      isDone
        ? `done; the group has ${partitions} partitions`
        : `cancelled meanwhile; the group has ${partitions} partitions`,
    );
    return isDone ? 0 : 1;
  }

  /** A server that is away for a moment ends nothing. */
  async #tryOn<T>(args: RepartitionArguments, step: () => Promise<T>, until: number): Promise<T> {
    for (;;) {
      try {
        return await step();
      } catch (error) {
        if (!hasCode(error, 'JETSTREAM_REQUEST_FAILED') || this.options.clock.now() > until) throw error;
        const text = describeError(error);
        this.#report(args, { state: 'trying', error: text }, `trying again: ${text}`);
        await delay(this.options.clock, LOOK_EVERY_MS);
      }
    }
  }

  #openOf({ change, leases }: ChangeProgress & { readonly kind: 'draining' }): Open[] {
    return leases.flatMap((lease, partition) => {
      if (lease?.value.drained?.change === change.number) return [];
      return [{ partition, unowned: this.#isUnowned(partition, lease), running: lease?.value.running ?? [] }];
    });
  }

  #isUnowned(partition: number, lease: StoredValue<LeaseRecord> | undefined): boolean {
    if (lease === undefined || isUnowned(lease.value) || lease.value.released === true) return true;
    const now = this.options.clock.now();
    let seen = this.#seen.get(partition);
    if (seen?.revision !== lease.revision) {
      seen = { revision: lease.revision, at: now };
      this.#seen.set(partition, seen);
    }
    return now - seen.at > lease.value.ttlMs + MARGIN_MS;
  }

  /** Progress: what has changed, at most once a second. */
  #report(args: RepartitionArguments, value: object, text: string): void {
    const now = this.options.clock.now();
    if (text === this.#reported || now < this.#reportAt) return;
    this.#reported = text;
    this.#reportAt = now + REPORT_EVERY_MS;
    this.#say(args, value, text);
  }

  #say({ topic, group, json }: RepartitionArguments, value: object, text: string): void {
    this.options.terminal.print(
      json ? JSON.stringify({ topic, group, ...value }) : `${topic ?? ''} ${group ?? ''}: ${text}`,
    );
  }
}

interface Wanted {
  readonly repartition: Repartition;
  readonly to: number;
  readonly until: number;
}

function sayOpen(open: readonly Open[]): string {
  const running = open.flatMap(({ partition, running: handlers }) =>
    handlers.map(({ aggregateId, sequence, forMs }) => ({ partition, aggregateId, sequence, forMs })),
  );
  const unowned = open.filter((one) => one.unowned).map(({ partition }) => partition);
  const slow = running
    .toSorted((a, b) => b.forMs - a.forMs)
    .slice(0, MAX_NAMED)
    .map(
      ({ partition, aggregateId, sequence, forMs }) =>
        `; partition ${partition}: the handler of aggregate "${aggregateId}" (sequence ${sequence}) runs for ${Math.round(forMs / 1_000)} s`,
    );
  const nobody =
    unowned.length === 0 ? '' : `; nobody owns partitions ${name(unowned)}: start a replica of the group`;
  return slow.join('') + nobody;
}

function name(partitions: readonly number[]): string {
  const first = partitions.slice(0, MAX_NAMED).join(', ');
  return partitions.length > MAX_NAMED ? `${first} and ${partitions.length - MAX_NAMED} more` : first;
}
