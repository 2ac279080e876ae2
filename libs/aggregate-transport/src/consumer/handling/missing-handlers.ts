import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import type { LogAt } from '../../log.js';
import type { Delivery } from '../../message/delivery.js';
import type { OnUnhandledType } from './event-handlers.js';
import type { HandlerCalls } from './handler-calls.js';
import type { OtherReplicas } from './lane-listener.js';
import type { Failure } from './outcome.js';

const MAX_LOGGED_TYPES = 1_000;
/** How often an event that waits for another replica is looked at again. */
const LOOK_AGAIN_MS = 1_000;

/** Events of a type wait for a replica that handles it. */
export interface TypeWait {
  readonly type: string;
  readonly forMs: number;
}

export interface MissingHandlersOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly onUnhandledType: OnUnhandledType;
  readonly others: OtherReplicas;
  readonly clock: Clock;
  readonly log: LogAt<'partition'>;
}

/**
 * Decides on events whose type has no handler, and tells of each such type once. While another replica of the group
 * handles the type, its events wait at the heads of their lanes. A rolling deploy must not settle them away, and
 * neither must a second service that shares the group by mistake.
 */
export class MissingHandlers {
  readonly #logged = new Set<string>();
  /** Types that events wait for: since when, and when one of them was last looked at. */
  readonly #waiting = new Map<string, { readonly since: number; seenAt: number }>();

  constructor(private readonly options: MissingHandlersOptions) {}

  /** As {@link waitMs}, for an event or a letter. It need not wait if it has a handler here, or cannot be read. */
  waitMsOf(event: Delivery, calls: Pick<HandlerCalls, 'decode' | 'find'>): number | undefined {
    if (calls.decode(event) !== undefined || calls.find(event) !== undefined) return undefined;
    return this.waitMs(event.envelope?.event_type ?? '');
  }

  /** How long an event of this type waits for another replica before the next look; undefined: it need not wait. */
  waitMs(type: string): number | undefined {
    const { name, others, clock, log } = this.options;
    if (!others.handlesElsewhere(type)) {
      this.#waiting.delete(type);
      return undefined;
    }
    const now = clock.now();
    const known = this.#waiting.get(type);
    if (known !== undefined && now - known.seenAt <= 2 * LOOK_AGAIN_MS) known.seenAt = now;
    else this.#waiting.set(type, { since: now, seenAt: now });
    if (this.#isNews(`wait ${type}`))
      log.write(
        'handler-elsewhere',
        { type },
        `${name}: events of type "${type}" wait for a replica of the group that has a handler (said once per type)`,
      );
    return LOOK_AGAIN_MS;
  }

  /** The type whose events have waited longest, if any do. */
  get longestWait(): TypeWait | undefined {
    const now = this.options.clock.now();
    let longest: TypeWait | undefined;
    for (const [type, { since, seenAt }] of this.#waiting) {
      if (now - seenAt > 2 * LOOK_AGAIN_MS) this.#waiting.delete(type);
      else if (now - since >= (longest?.forMs ?? 0)) longest = { type, forMs: now - since };
    }
    return longest;
  }

  /** What is wrong with an event of this type; undefined if it is to be passed over. */
  judge(type: string): Failure | undefined {
    const { name, onUnhandledType, log } = this.options;
    if (onUnhandledType === 'ignore') {
      if (this.#isNews(`pass ${type}`))
        log.write(
          'handler-missing',
          { type },
          `${name}: events of type "${type}" have no handler and are passed over (said once per type)`,
        );
      return undefined;
    }
    const error = new AggregateTransportError(
      'HANDLER_MISSING',
      `expected a handler for event type "${type}" on ${name}, found none; ` +
        'add one, or set consume.onUnhandledType to "ignore"',
    );
    return { stage: 'route', error, unrecoverable: true };
  }

  /** True at the first call with this text. */
  #isNews(text: string): boolean {
    if (this.#logged.has(text) || this.#logged.size >= MAX_LOGGED_TYPES) return false;
    this.#logged.add(text);
    return true;
  }
}
