/** Every reason this library can give. A code is never reused for another meaning. */
export type AggregateTransportErrorCode =
  // wiring, reported at start-up
  | 'OPTIONS_INVALID'
  | 'TOPIC_UNDECLARED'
  | 'GROUP_MISSING'
  | 'HANDLER_DUPLICATE'
  | 'HANDLER_MISPLACED'
  | 'HANDLER_MISSING'
  // the server, reported at start-up
  | 'CLIENT_MISSING'
  | 'CONNECTION_FAILED'
  | 'CONNECTION_CLOSED'
  | 'SERVER_TOO_OLD'
  | 'JETSTREAM_UNAVAILABLE'
  | 'JETSTREAM_REQUEST_FAILED'
  | 'STREAM_MISSING'
  | 'STREAM_MISMATCH'
  | 'RECORD_INVALID'
  | 'RECORD_MISSING'
  | 'GROUP_DELETED'
  | 'OLD_CONSUMERS'
  // one event, reported before it is sent
  | 'AGGREGATE_ID_INVALID'
  | 'EVENT_INVALID'
  | 'PAYLOAD_NOT_SERIALIZABLE'
  | 'EVENT_TOO_LARGE'
  | 'HEADER_RESERVED'
  // one event, reported by the publisher
  | 'ABORTED'
  | 'PUBLISHER_SATURATED'
  | 'PUBLISHER_CLOSED'
  | 'PUBLISH_REJECTED'
  | 'SEQUENCE_CONFLICT'
  | 'SEQUENCE_UNKNOWN'
  | 'PREDECESSOR_REJECTED'
  | 'OUTCOME_UNKNOWN'
  | 'PREDECESSOR_UNKNOWN'
  | 'PUBLISH_ALL_FAILED'
  // one event, reported by the consumer
  | 'ENVELOPE_INVALID'
  | 'PAYLOAD_INVALID'
  | 'VERSION_NEWER'
  | 'HANDLER_TIMED_OUT'
  | 'HANDLER_NOT_CALLED'
  | 'LEASE_LOST'
  | 'PARK_REFUSED'
  // a command, reported to the operator that gives it
  | 'NOT_PARKED'
  | 'COMMAND_UNANSWERED'
  | 'LETTER_UNKNOWN'
  | 'EDIT_REFUSED'
  | 'IMPORT_REFUSED'
  | 'COPY_REFUSED'
  | 'GROUP_UNKNOWN'
  | 'CHANGE_UNDER_WAY'
  | 'AGGREGATE_UNSETTLED'
  // the rest
  | 'REQUEST_UNSUPPORTED'
  | 'NATS_SERVER_UNAVAILABLE'
  | 'TEST_TIMED_OUT';

/**
 * The form that the errors of this library and of the libraries built on it share. Decide on `code`, never on the text.
 * The message says what was expected, what was found and what to do; `cause` is the error behind it.
 */
export abstract class CodedError<Code extends string> extends Error {
  constructor(
    readonly code: Code,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The base of every error this library throws or rejects with. */
export class AggregateTransportError extends CodedError<AggregateTransportErrorCode> {
  override readonly name: string = 'AggregateTransportError';
}

/**
 * An error that has this property says that its event must wait: its aggregate blocks and tries for ever, at the
 * longest wait. No attempt is used up, nothing is parked or skipped, and `classify` is not asked. Health names the
 * aggregate as `blocked`, or as the property's value says if that is a {@link BlockReason}.
 */
export const BLOCKS_AGGREGATE: unique symbol = Symbol.for('aggregate-transport.blocks-aggregate');

/** An event waits because something outside of its handler was set back or edited: only an operator can release it. */
export interface BlockedBySettings {
  readonly problem: 'settings-changed';
  /** Expected and found, in one line. No payload, no credentials. */
  readonly why: string;
  /** What an operator does about it. */
  readonly do: string;
}

/** An event waits because only a newer release of the service can read it: a deploy releases it. */
export interface BlockedByVersion extends Omit<BlockedBySettings, 'problem'> {
  readonly problem: 'newer-version';
}

/** Why an aggregate blocks, where its error says it. */
export type BlockReason = BlockedBySettings | BlockedByVersion;

/** True for an error that says so. */
export function blocksAggregate(error: unknown): boolean {
  try {
    return typeof error === 'object' && error !== null && BLOCKS_AGGREGATE in error;
  } catch {
    // A proxy that refuses to be asked.
    return false;
  }
}

/** What the error says of the reason it blocks for, if it says any. */
export function blockReasonOf(error: unknown): BlockReason | undefined {
  try {
    const said = (error as { [BLOCKS_AGGREGATE]?: unknown } | null)?.[BLOCKS_AGGREGATE];
    if (typeof said !== 'object' || said === null) return undefined;
    const { problem, why, do: todo } = said as Partial<BlockReason>;
    if (problem !== 'settings-changed' && problem !== 'newer-version') return undefined;
    if (typeof why !== 'string' || typeof todo !== 'string') return undefined;
    return { problem, why, do: todo };
  } catch {
    return undefined;
  }
}

/** True for an error of this library with this code. */
export function hasCode(error: unknown, code: AggregateTransportErrorCode): boolean {
  try {
    return error instanceof AggregateTransportError && error.code === code;
  } catch {
    return false;
  }
}

const UNREADABLE = 'an error that cannot be read: reading it throws';

/**
 * Describes something that was thrown, for a log line or an error text. Never a payload, never throws. Reads the answer
 * of Nest's HttpException, and the `{ status, message }` by which Nest replaces an error.
 */
export function describeError(error: unknown): string {
  try {
    return described(error);
  } catch {
    return UNREADABLE;
  }
}

/** No name or code of an error is longer. */
const MAX_NAME = 80;

/** The name and the code of something that was thrown, where it has them as short texts. Never throws. */
export function errorNamesOf(error: unknown): { name?: string; code?: string } {
  try {
    if (typeof error !== 'object' || error === null) return {};
    const { name, code } = error as { readonly name?: unknown; readonly code?: unknown };
    return { ...shortText('name', name), ...shortText('code', code) };
  } catch {
    // A proxy, or a getter, that refuses to be asked.
    return {};
  }
}

function shortText<K extends string>(key: K, value: unknown): { [P in K]?: string } {
  const isShort = typeof value === 'string' && value !== '' && value.length <= MAX_NAME;
  return isShort ? ({ [key]: value } as { [P in K]: string }) : {};
}

/** What fields of a log line say of an error. */
export interface ErrorFields {
  /** As {@link describeError} describes it. */
  readonly why: string;
  readonly errorName: string;
  /** Its `code`, if that is a short text. */
  readonly errorCode?: string;
}

/** Describes something that was thrown, for the fields of a log line. Never a payload, never throws. */
export function errorFields(error: unknown): ErrorFields {
  const { name, code } = errorNamesOf(error);
  return {
    ...{ why: describeError(error), errorName: name ?? typeof error },
    ...(code === undefined ? {} : { errorCode: code }),
  };
}

/** The stack of something that was thrown, if it has one that can be read. */
export function stackOf(error: unknown): string | undefined {
  try {
    const stack: unknown = error instanceof Error ? error.stack : undefined;
    return typeof stack === 'string' ? stack : undefined;
  } catch {
    return undefined;
  }
}

function described(error: unknown): string {
  if (error instanceof CodedError) return `${String(error.code)}: ${error.message}`;
  if (error instanceof Error) return `${error.name}: ${answerOf(error) ?? error.message}`;
  if (typeof error !== 'object' || error === null) return String(error);
  const { message } = error as { message?: unknown };
  return typeof message === 'string' ? message : `an object of class ${classOf(error)}`;
}

function answerOf(error: Error & { getResponse?: () => unknown }): string | undefined {
  if (typeof error.getResponse !== 'function') return undefined;
  const { message } = (error.getResponse() ?? {}) as { message?: unknown };
  return Array.isArray(message) ? message.join('; ') : undefined;
}

function classOf(value: object): string {
  return (
    (Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null)?.constructor?.name ?? 'none'
  );
}
