import { AggregateTransportError } from '../../errors.js';
import type { Log } from '../../log.js';
import type { OnUnhandledType } from './event-handlers.js';
import type { Failure } from './outcome.js';

const MAX_LOGGED_TYPES = 1_000;

/** Decides on events whose type has no handler, and tells of each such type once. */
export class MissingHandlers {
  readonly #logged = new Set<string>();

  constructor(
    /** For log texts: topic, group and partition. */
    private readonly name: string,
    private readonly onUnhandledType: OnUnhandledType,
    private readonly log: Log,
  ) {}

  /** What is wrong with an event of this type; undefined if it is to be passed over. */
  judge(type: string): Failure | undefined {
    if (this.onUnhandledType === 'ignore') {
      this.#logOnce(type);
      return undefined;
    }
    const error = new AggregateTransportError(
      'HANDLER_MISSING',
      `expected a handler for event type "${type}" on ${this.name}, found none; ` +
        'add one, or set consume.onUnhandledType to "ignore"',
    );
    return { stage: 'route', error, unrecoverable: true };
  }

  #logOnce(type: string): void {
    if (this.#logged.has(type) || this.#logged.size >= MAX_LOGGED_TYPES) return;
    this.#logged.add(type);
    this.log.warn(
      `${this.name}: events of type "${type}" have no handler and are passed over (said once per type)`,
    );
  }
}
