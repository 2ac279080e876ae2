import { type Clock, every, type Timer } from '../../clock.js';
import type { KeyedExecutor } from '../../executor/keyed-executor.js';
import type { Link } from '../../message/delivery.js';
import type { Breaker, BreakerListener } from './breaker.js';

/** The partition, as the breaker sees it. */
export interface ProbedPartition {
  /** False once the partition may belong to another process. */
  mayStart(): boolean;
}

export interface BreakerProbeOptions<Entry extends Link> {
  readonly lanes: KeyedExecutor<Entry>;
  readonly breaker: Breaker;
  readonly clock: Clock;
  readonly listener: ProbedPartition;
}

/**
 * What an open breaker means for one partition: nothing starts but the lane of the aggregate that probes. If that lane
 * is here, another one takes its turn after a while, because the last one may fail for a reason of its own.
 */
export class BreakerProbe<Entry extends Link> implements BreakerListener {
  #turns: Timer | undefined;

  constructor(private readonly options: BreakerProbeOptions<Entry>) {
    options.breaker.listen(this);
  }

  get isOwned(): boolean {
    return this.options.listener.mayStart();
  }

  opened(token: string): void {
    const { lanes, breaker, clock } = this.options;
    lanes.pauseAllBut(token);
    if (lanes.laneOf(token) === undefined) return;
    this.#turns ??= every(clock, breaker.options.probeEveryMs, () => this.#passOn());
  }

  closed(): void {
    this.#turns?.cancel();
    this.#turns = undefined;
    this.options.lanes.resume();
  }

  /** The lease is lost: the aggregate that probes, if it is here, goes to another process. */
  leave(): void {
    const { breaker, lanes } = this.options;
    if (breaker.prober !== undefined && lanes.laneOf(breaker.prober) !== undefined)
      breaker.left(breaker.prober);
  }

  close(): void {
    this.#turns?.cancel();
    this.options.breaker.forget(this);
  }

  #passOn(): void {
    const { lanes, breaker } = this.options;
    const ready = [...lanes.lanes()].filter(({ key, mode }) => mode === 'ready' || key === breaker.prober);
    const next = ready[(ready.findIndex(({ key }) => key === breaker.prober) + 1) % ready.length];
    if (next !== undefined) breaker.passOn(next.key);
  }
}
