import { AggregateTransportError, type BlockReason, BLOCKS_AGGREGATE, describeError } from '../../errors.js';
import { type PayloadIssue, textOfIssues } from './issues.js';
import type { PayloadFault } from './shaped-payload.js';

/**
 * A schema, or an upcaster, refused a payload. Code EVENT_INVALID where it was to be published, PAYLOAD_INVALID where
 * it was to be handled or read.
 */
export class PayloadRefusedError extends AggregateTransportError {
  constructor(
    code: 'EVENT_INVALID' | 'PAYLOAD_INVALID',
    message: string,
    /** What the schema found, by place. Never a value. Empty if an upcaster or the schema itself failed. */
    readonly issues: readonly PayloadIssue[],
    options?: ErrorOptions,
  ) {
    super(code, message, options);
  }
}

/** For an event that is not published. */
export function eventRefused(about: AboutPayload, fault: PayloadFault): PayloadRefusedError {
  return refused('EVENT_INVALID', about, fault, 'nothing was sent: correct the payload');
}

/** For an event that lies in the stream. */
export function payloadRefused(about: AboutPayload, fault: PayloadFault): PayloadRefusedError {
  const remedy = 'correct its publisher, or the schema and the upcasters here';
  return refused('PAYLOAD_INVALID', about, fault, remedy);
}

export interface AboutPayload {
  readonly type: string;
  /** The one that the event says. */
  readonly version: number;
}

function refused(
  code: 'EVENT_INVALID' | 'PAYLOAD_INVALID',
  { type, version }: AboutPayload,
  fault: PayloadFault,
  remedy: string,
): PayloadRefusedError {
  const issues = fault.kind === 'issues' ? fault.issues : [];
  const options = fault.kind === 'thrown' ? { cause: fault.error } : undefined;
  const text = `expected a payload of event type "${type}", version ${version}, that its shape accepts, found ${foundIn(fault)}`;
  return new PayloadRefusedError(code, `${text}; ${remedy}`, issues, options);
}

function foundIn(fault: PayloadFault): string {
  switch (fault.kind) {
    case 'issues':
      return textOfIssues(fault.issues);
    case 'thrown':
      return `that ${fault.where} throws ${describeError(fault.error)}`;
    case 'unknown version':
      return 'that there is no such version';
    case 'no answer':
      return `that its schema answers ${fault.found}`;
  }
}

/**
 * For an event in the stream that only a newer release of the service can read. Its aggregate blocks until a replica of
 * that release has its partition.
 */
export class VersionNewerError extends AggregateTransportError {
  /** Why the aggregate waits. */
  readonly [BLOCKS_AGGREGATE]: BlockReason;

  constructor({ type, version }: AboutPayload, known: number) {
    const why =
      `expected event type "${type}" in version ${known} at most, found version ${version}, ` +
      'which a newer release of the service publishes';
    const todo = 'deploy that release here, too; no event is lost or passed over meanwhile';
    super('VERSION_NEWER', `${why}: ${todo}`);
    this[BLOCKS_AGGREGATE] = { problem: 'newer-version', why, do: todo };
  }
}
