import { reached } from '#sabotage';
import { identityOf, type MarkedReplay } from '../records/marker.js';
import { findTail } from './adoption.js';
import { isAsked } from './inherited-replay.js';
import { lostError, type MarkerWrites, type MarkerWritesOptions } from './marker-writes.js';
import type { Parked } from './parked-aggregate.js';

const NOT_FAILED = { reason: 'REPLAYED', error: '', attempts: 0, crashes: 0 } as const;

/** What the owner has found before a replay begins. */
export interface ReplayPlan {
  /** The first event that is handled again. */
  readonly from: number;
  readonly to: number;
  readonly handledThrough: number;
  readonly run: number;
}

/**
 * Live aggregates that are to be replayed, in their owner's memory, and the marker's part in a replay. What the steps
 * are, and why they come in this order, is told by `AggregateReplay`.
 */
export class Replays {
  readonly #asked = new Set<string>();
  readonly #later = new Set<string>();

  constructor(
    private readonly options: MarkerWritesOptions,
    private readonly writes: MarkerWrites,
  ) {}

  /** Live aggregates that a marker asks for. */
  get asked(): ReadonlySet<string> {
    return this.#asked;
  }

  /** Notes that a marker asks for this live aggregate. */
  ask(token: string): void {
    this.#asked.add(token);
  }

  /** A marker asks for a replay of this aggregate, which is not live yet. */
  askLater(token: string): void {
    this.#later.add(token);
  }

  /** True once if a marker was heard of while the aggregate was parked. */
  wasAskedSince(token: string): boolean {
    return this.#later.delete(token);
  }

  /** Another lease: what was known may be out of date. */
  forget(): void {
    this.#asked.clear();
    this.#later.clear();
  }

  /**
   * Takes the marker of a live aggregate over, for this epoch. Nothing of the aggregate may run. Undefined if it asks
   * for nothing any more. Safe to call again after it rejected.
   * @throws JETSTREAM_REQUEST_FAILED, LEASE_LOST
   */
  async takeUp(token: string): Promise<Parked | undefined> {
    const { port, owner, name } = this.options;
    for (;;) {
      const found = await port.readMarker(token);
      if (found === undefined || !isAsked(found.marker)) {
        this.#asked.delete(token);
        return undefined;
      }
      if (found.marker.epoch > owner.epoch) throw lostError(name);
      const identity = identityOf(found);
      const { tail } = await findTail(port, { token, identity }, owner.created);
      const marker = { ...found.marker, epoch: owner.epoch, made: identity };
      this.writes.check();
      const revision = await port.writeMarker(token, marker, found.revision);
      if (revision === undefined) continue;
      this.#asked.delete(token);
      reached('replay: taken up');
      const state = { leaving: false, forgotten: false };
      return { token, marker, revision, identity, tail, lastSequence: 0, ...state };
    }
  }

  /**
   * From now on the aggregate's events from `from` to `to` are handled again. When it resolves those that come live may
   * be settled. Safe to call again after it rejected.
   * @throws JETSTREAM_REQUEST_FAILED, LEASE_LOST
   */
  async begin(parked: Parked, plan: ReplayPlan): Promise<void> {
    const id = parked.marker.command?.id ?? '';
    const replay: MarkedReplay = { ...plan, id, created: this.options.owner.created };
    await this.writes.update(parked, { state: 'replaying', ...NOT_FAILED, replay });
    parked.lastSequence = Math.max(parked.lastSequence, plan.to);
    reached('replay: begun');
  }

  /** The command cannot be carried out; the aggregate stays as it was. */
  async refuse(parked: Parked, error: string): Promise<void> {
    const id = parked.marker.command?.id ?? '';
    const state = parked.marker.state === 'asked' ? 'retrying' : parked.marker.state;
    await this.writes.update(parked, { state, command: undefined, answer: { id, error } });
  }
}
