import type { Clock } from '../../clock.js';
import type { RelayTrouble } from '../sending/waits.js';
import type { OutboxLooks } from './outbox-looks.js';

/** Something an operator should look at, in the shape of the core's health problems. */
export interface OutboxProblem {
  /** What is wrong; decide on this. */
  readonly code: 'outbox-stuck';
  /** The topic whose outbox it is. */
  readonly topic: string;
  /** Milliseconds since 1970, by this host's clock. */
  readonly since: number;
  /** What was found. */
  readonly why: string;
  /** What an operator does about it. */
  readonly do: string;
}

export interface OutboxHealthParts {
  readonly topics: readonly string[];
  readonly looks: OutboxLooks;
  /** A row that waits longer is stuck. */
  readonly stuckAfterMs: number;
  /** What the relays of this process say of a topic. */
  readonly troubleOf: (topic: string) => RelayTrouble | undefined;
  readonly clock: Clock;
}

/** What one look found of a topic. */
export interface OutboxFinding {
  readonly oldestMs: number;
  readonly stopped: number;
  /** Of the aggregate that is stopped longest: its id and code. */
  readonly first: string | undefined;
  /** How long events are not stored, of how many aggregates, and why. Undefined if there are none. */
  readonly trouble: { readonly forMs: number; readonly aggregates: number; readonly why: string } | undefined;
}

/** Trouble that lasts so long is told, in milliseconds: a server that restarts, or another leader, is none. */
const TOLD_AFTER_MS = 3_000;

/** What is wrong with an outbox that stands so; undefined if nothing is. Pure. */
function judge(
  { oldestMs, stopped, first = '', trouble }: OutboxFinding,
  stuckAfterMs: number,
): Pick<OutboxProblem, 'why' | 'do'> | undefined {
  if (trouble !== undefined && trouble.forMs >= TOLD_AFTER_MS) {
    const others = stopped > 0 ? `; beside them ${stopped} aggregates are stopped (outbox list)` : '';
    return {
      why: `events of ${trouble.aggregates} aggregates are not stored, and are sent again: ${trouble.why}${others}`,
      do: 'correct what the text names; the relay tries again by itself, and no aggregate is stopped by it',
    };
  }
  if (stopped > 0) {
    return {
      why: `${stopped} aggregates are stopped, because an event of each was refused: first ${first}`,
      do: 'npx aggregate-transport outbox list tells all; correct the cause, then outbox retry (or skip, discard)',
    };
  }
  if (oldestMs <= stuckAfterMs) return undefined;
  return {
    why: `a row of the outbox has waited for ${Math.round(oldestMs / 1_000)} s`,
    do: 'see that a relay runs (its log says so), reaches NATS, and that the stream has room',
  };
}

/** Looks at the outboxes now and then, and keeps what was found: a probe may ask every second. */
export class OutboxHealth {
  readonly #problems = new Map<string, OutboxProblem>();

  constructor(private readonly parts: OutboxHealthParts) {}

  problems(): OutboxProblem[] {
    return [...this.#problems.values()];
  }

  /** Never rejects: a database that does not answer is a problem like others. */
  async look(): Promise<void> {
    await Promise.all(this.parts.topics.map((topic) => this.#lookAt(topic)));
  }

  async #lookAt(topic: string): Promise<void> {
    const { looks, stuckAfterMs, troubleOf, clock } = this.parts;
    try {
      const [oldestMs, stopped, [first]] = await Promise.all([
        looks.oldestMs(topic),
        looks.stoppedCount(topic),
        looks.stopped(topic, 1),
      ]);
      const name = first === undefined ? undefined : `"${first.aggregateId}" (${first.code})`;
      const found = troubleOf(topic);
      const trouble = found && { ...found, forMs: clock.wallNow() - found.since };
      this.#note(topic, judge({ oldestMs, stopped, first: name, trouble }, stuckAfterMs));
    } catch {
      this.#note(topic, {
        why: 'the outbox cannot be read, so nothing is relayed from here',
        do: 'see that PostgreSQL runs, can be reached, and has a connection to give',
      });
    }
  }

  #note(topic: string, found: Pick<OutboxProblem, 'why' | 'do'> | undefined): void {
    if (found === undefined) this.#problems.delete(topic);
    else {
      const since = this.#problems.get(topic)?.since ?? this.parts.clock.wallNow();
      this.#problems.set(topic, { code: 'outbox-stuck', topic, since, ...found });
    }
  }
}
