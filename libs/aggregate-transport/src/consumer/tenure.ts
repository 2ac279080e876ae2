import { isSabotaged, reached } from '#sabotage';
import { type Clock, delay } from '../clock.js';
import { describeError, errorFields, hasCode } from '../errors.js';
import type { LogAt } from '../log.js';
import type { ReaderPort, StreamState } from '../message/reader-port.js';
import type { Parking } from '../parking/parking.js';
import type { GroupRecord } from '../records/group-record.js';
import type { KeyPort } from '../records/key-port.js';
import type { PositionRecord } from '../records/position-record.js';
import type { Tenancy } from './ownership/ownership.js';
import type { GroupView } from './partition-options.js';
import type { HaltCause } from './partition-status.js';
import { type Claimed, claimPosition, leaseEnded } from './position/claim.js';
import { checkStream, type KnownEvent } from './reading/stream-check.js';

/** The partition, as it is being taken over. */
export interface TenureListener {
  /** The claim stands: everything is remembered as its record says. */
  claimed(claimed: Claimed, stream: StreamState): void;
  /** The record was drained for a change of layout that is not known to be cancelled. */
  waitsDrained(change: number): void;
  /** Events may be taken in. */
  ready(claimed: Claimed, tookMs: number): void;
  halt(reason: string, cause?: HaltCause): void;
}

export interface TenureOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly port: ReaderPort;
  readonly positionPort: KeyPort<PositionRecord>;
  readonly parking: Parking;
  readonly group: GroupView;
  readonly tenancy: Tenancy;
  /** Events this owner takes in at most. */
  readonly bound: number;
  readonly clock: Clock;
  readonly log: LogAt<'partition'>;
  readonly listener: TenureListener;
}

const TRY_AGAIN_MS = 50;
const MAX_TRY_AGAIN_MS = 500;
const CHECK_MARK_EVERY_MS = 100;

/** For sabotage only: each partition resolves `new` for itself. */
function startingNow(record: GroupRecord, { lastSequence: sequence }: StreamState): GroupRecord {
  return { ...record, start: { ...record.start, sequence } };
}

/** Why a partition halts when its stream has lost events that were handled. */
export const WENT_BACK =
  'the stream ends before a sequence that was handled, or holds another event there: it was restored to an earlier ' +
  'state, and what was handled can no longer be told from what was not; restore the positions stream and the parked ' +
  'stream from the same backup, or start over with: npx aggregate-transport group reset TOPIC GROUP --to start';

/**
 * What an owner does between taking the lease and taking in the first event. Nothing is read, started, parked or
 * committed before the claim stands.
 *
 * 1. The position is claimed: from here on writes of older owners are refused.
 * 2. The stream is compared with what is known to have existed: the highest settled event, and the last one that any
 *    replica took in.
 * 3. If the record was drained for a change of layout, nothing follows until that change is known to be cancelled.
 * 4. The markers of parked aggregates are loaded, and their last letter is compared with the stream, too.
 *
 * What fails is tried again until the lease ends. An owner that cannot claim for the ttl of its lease gives it up.
 */
export class Tenure {
  /** Names the running attempt; what an earlier one still waits for counts for nothing. */
  #number = 0;
  #failing: { readonly since: number; readonly why: string } | undefined;

  constructor(private readonly options: TenureOptions) {}

  /** Since when the partition cannot be taken over, on the clock, and why. Outlasts a lease that was given up for it. */
  get failing(): { readonly since: number; readonly why: string } | undefined {
    return this.#failing;
  }

  /** The lease is held. `wasClaimed`: it says that a record exists. Returns at once. */
  begin(wasClaimed: boolean): void {
    void this.#run(++this.#number, wasClaimed);
  }

  end(): void {
    this.#number++;
  }

  /** Ends it, and says why the partition stops. */
  halt(why: string): void {
    const { log, name } = this.options;
    log.write('partition-halted', { why }, `${name} halts: ${why}`);
    this.end();
  }

  async #run(number: number, wasClaimed: boolean): Promise<void> {
    const { clock, log, name, tenancy } = this.options;
    const startedAt = clock.now();
    let isReported = false;
    for (
      let pauseMs = TRY_AGAIN_MS;
      this.#number === number;
      pauseMs = Math.min(MAX_TRY_AGAIN_MS, 2 * pauseMs)
    ) {
      try {
        await this.#try(number, { wasClaimed, startedAt });
        this.#failing = undefined;
        return;
      } catch (error) {
        if (this.#number !== number || hasCode(error, 'LEASE_LOST')) return;
        const why = describeError(error);
        this.#failing = { since: this.#failing?.since ?? startedAt, why };
        const text = `${name}: its position cannot be claimed, trying again: ${why}`;
        if (!isReported) log.write('position-not-claimed', errorFields(error), text);
        isReported = true;
      }
      if (clock.now() - startedAt > tenancy.ttlMs) {
        tenancy.giveUp('its position could not be claimed');
        return;
      }
      await delay(clock, pauseMs);
    }
  }

  /** @throws JETSTREAM_REQUEST_FAILED, LEASE_LOST */
  async #try(
    number: number,
    since: { readonly wasClaimed: boolean; readonly startedAt: number },
  ): Promise<void> {
    const { port, positionPort, parking, group, tenancy, bound, clock, listener } = this.options;
    const stream = await port.stream();
    this.#check(number);
    const { owner, epoch } = tenancy;
    const outcome = await claimPosition(positionPort, {
      ...{ owner, epoch, bound, wasClaimed: since.wasClaimed },
      ...{ created: stream.created, isRestored: stream.isRestored },
      group: isSabotaged('start-per-partition') ? startingNow(group.record, stream) : group.record,
      isCurrent: () => this.#number === number && tenancy.isValid(),
    });
    this.#check(number);
    if (outcome.kind === 'raise') {
      tenancy.startOver(
        `its position is of epoch ${outcome.above}, which is not below ${epoch}`,
        outcome.above,
      );
      return;
    }
    if (outcome.kind === 'halt') {
      listener.halt(outcome.reason, outcome.isNewer === true ? 'newer version' : 'policy');
      return;
    }
    const { record } = outcome;
    if (!(await this.#isWhole(number, this.#knownOf(record)))) return;
    listener.claimed(outcome, stream);
    tenancy.noteFacts();
    await this.#untilUnmarked(number, record);
    await parking.load({ hasDied: outcome.hasDied, start: group.record.start });
    this.#check(number);
    reached('claim: markers loaded');
    const letters = { created: record.created, events: [{ sequence: parking.lastSequence, time: '' }] };
    if (!(await this.#isWhole(number, letters))) return;
    listener.ready(outcome, clock.now() - since.startedAt);
  }

  #knownOf({ created, high, highTime }: PositionRecord): { created: string; events: KnownEvent[] } {
    const events: KnownEvent[] = [{ sequence: high, time: highTime }];
    const { latest } = this.options.group.seen;
    if (latest?.created === created) events.push(latest);
    return { created, events };
  }

  /** True if the stream holds what is known to have existed. Otherwise the tenure ends here. */
  async #isWhole(
    number: number,
    known: { readonly created: string; readonly events: readonly KnownEvent[] },
  ): Promise<boolean> {
    const { port, clock, listener, tenancy } = this.options;
    const verdict = await checkStream(port, clock, known);
    this.#check(number);
    if (verdict.kind === 'went back') listener.halt(WENT_BACK);
    if (verdict.kind === 'made again') tenancy.startOver('its stream was made again meanwhile');
    return verdict.kind === 'same';
  }

  /** A mark comes before everything else: another layout may be in force by the time it is seen. */
  async #untilUnmarked(number: number, { drained }: PositionRecord): Promise<void> {
    const { group, clock, listener } = this.options;
    if (drained === undefined || isSabotaged('drained-mark-ignored')) return;
    if (!group.isCancelled(drained.change)) listener.waitsDrained(drained.change);
    while (!group.isCancelled(drained.change)) {
      await delay(clock, CHECK_MARK_EVERY_MS);
      this.#check(number);
    }
  }

  #check(number: number): void {
    if (this.#number === number && this.options.tenancy.isValid()) return;
    throw leaseEnded();
  }
}
