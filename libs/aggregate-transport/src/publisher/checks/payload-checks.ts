import { AggregateTransportError } from '../../errors.js';
import type { AggregateEvent } from '../../message/event.js';
import { eventRefused } from '../../message/shapes/shape-errors.js';
import { type Shaped, shapePayload } from '../../message/shapes/shaped-payload.js';
import type { TopicShapes } from '../../message/shapes/topic-shapes.js';
import type { CallTurns } from './call-turns.js';

/** Why an event may not be published; undefined if it may. */
export type Verdict = AggregateTransportError | undefined;

/** Checks the events of one topic before they are queued. Shared by all publishers of the topic in a process. */
export class PayloadChecks {
  constructor(
    readonly shapes: TopicShapes,
    readonly turns: CallTurns,
  ) {}

  /** The version of an event of this type that names none. */
  versionOf(type: string): number | undefined {
    return this.shapes.find(type)?.version;
  }

  /**
   * Checks the payload: that of an older version after its upcasters. Answers at once if schema and upcasters do. May
   * throw what a getter of the event throws; never rejects.
   */
  verdictOn(event: AggregateEvent): Verdict | Promise<Verdict> {
    const { type } = event;
    const shape = this.shapes.find(type);
    if (shape === undefined) return undefined;
    const { version = shape.version, payload } = event;
    if (version > shape.version) return newerThanKnown(type, version, shape.version);
    const verdict = ({ fault }: Shaped): Verdict => fault && eventRefused({ type, version }, fault);
    const shaped = shapePayload(shape, version, payload);
    return shaped instanceof Promise ? shaped.then(verdict) : verdict(shaped);
  }
}

function newerThanKnown(type: string, version: number, known: number): AggregateTransportError {
  return new AggregateTransportError(
    'EVENT_INVALID',
    `expected event type "${type}" in version ${known} at most, found version ${version}; nothing was sent: raise the ` +
      'version in defineTopic',
  );
}
