/** Every reason this library can give. A code is never reused for another meaning. */
export type AggregateTransportErrorCode =
  // wiring, reported at start-up
  /**
   * An unknown option, a wrong value, an undefined topic, two pattern decorators on one method, or a reserved name.
   * Do: correct what the text names. An undefined topic is a circular import: keep `defineTopic` in a file that
   * imports none of its users.
   */
  | 'OPTIONS_INVALID'
  /**
   * The topic is missing in `forRoot({ topics })`.
   * Do: declare it there, in each process that publishes to it or handles it.
   */
  | 'TOPIC_UNDECLARED'
  /**
   * There are handlers, or a parked command was given, without a group.
   * Do: set `group` in `forRoot`, at the handler or in the call.
   */
  | 'GROUP_MISSING'
  /** Two handlers for one group, topic and type. Do: remove one, or give it another `group`. */
  | 'HANDLER_DUPLICATE'
  /**
   * `@AggregateHandler` on a class that is no controller.
   * Do: move the method to a controller, and name that in `controllers` of a module.
   */
  | 'HANDLER_MISPLACED'
  /**
   * A strategy without handlers, or an event whose type has none (`onUnhandledType`).
   * Do: add the handler, or take the strategy out. A parked event is handled by `parked retry` once the handler is
   * deployed.
   */
  | 'HANDLER_MISSING'
  // the server, reported at start-up
  /**
   * Neither `nats` nor `@nats-io/transport-node` is installed, or not the one of option `client`.
   * Do: install one of them.
   */
  | 'CLIENT_MISSING'
  /**
   * No server at that address, or wrong credentials.
   * Do: correct `servers` or the credentials; look whether the server runs.
   */
  | 'CONNECTION_FAILED'
  /**
   * The client has closed the connection for good; what waited is not stored. Also the reason of a handler's signal
   * when its consumer is closed.
   * Do: correct the cause in the log, such as a login that has expired, and restart. Set `maxReconnectAttempts` to -1
   * for a connection of your own.
   */
  | 'CONNECTION_CLOSED'
  /** The nats-server is older than 2.10. Do: update it. */
  | 'SERVER_TOO_OLD'
  /**
   * JetStream is off, for the server or for the account.
   * Do: enable it; see option `jetstream` if it is in another account or domain.
   */
  | 'JETSTREAM_UNAVAILABLE'
  /**
   * The server refused a request, or did not answer.
   * Do: read the server's reason in the text. Without an answer, look at the leader of the stream and try again.
   */
  | 'JETSTREAM_REQUEST_FAILED'
  /**
   * A stream is missing and may not be made.
   * Do: make it, or set `stream.provision` to `ensure`. After a loss restore it from a backup.
   */
  | 'STREAM_MISSING'
  /**
   * A stream's settings break a promise, or differ from an option you set.
   * Do: change the setting that the text names, with `topic edit` or `nats stream edit`, or correct the option.
   */
  | 'STREAM_MISMATCH'
  /**
   * A key holds something else than its record, or a record would be too large.
   * Do: look which tool wrote the key that the text names; restore it from a backup.
   */
  | 'RECORD_INVALID'
  /**
   * A group has run before, and its record or a position is lost.
   * Do: restore the positions stream, or reset the group with `group reset`.
   */
  | 'RECORD_MISSING'
  /**
   * A group is being deleted, or was deleted while this process followed it.
   * Do: finish `group delete`, then start.
   */
  | 'GROUP_DELETED'
  /**
   * A group without a record has durable consumers of a release with acks.
   * Do: stop all replicas of that release, delete the consumers, start.
   */
  | 'OLD_CONSUMERS'
  // one event, reported before it is sent
  /** The aggregate id is not well-formed text of 1 to 256 UTF-8 bytes. Never sent. Do: correct the id. */
  | 'AGGREGATE_ID_INVALID'
  /**
   * A field of the wrong form, one that no event has, or a payload that its schema refuses. Never sent.
   * Do: correct the event; the text names the field and the reason.
   */
  | 'EVENT_INVALID'
  /**
   * The codec cannot write the payload, or gives no bytes. Never sent.
   * Do: publish plain data; the text names the place.
   */
  | 'PAYLOAD_NOT_SERIALIZABLE'
  /**
   * The event is above `max_payload` less 8 KiB, also of a server reached later. Not stored.
   * Do: store the large part elsewhere and publish where it is, or raise `max_payload`.
   */
  | 'EVENT_TOO_LARGE'
  /** A header that begins with `Nats-`. Never sent. Do: name it otherwise. */
  | 'HEADER_RESERVED'
  // one event, reported by the publisher
  /** Its signal aborted before it was sent. Not stored. Do: answer the caller, or publish again. */
  | 'ABORTED'
  /**
   * `publish.maxPending` and `publish.maxBlocked` are reached. Never sent.
   * Do: publish more slowly; look why outcomes take long.
   */
  | 'PUBLISHER_SATURATED'
  /**
   * The application is shut down, or its start was called off. Not stored.
   * Do: publish again after the restart, under the same event id.
   */
  | 'PUBLISHER_CLOSED'
  /**
   * The server refused every copy of the event, and the text says why. Not stored.
   * Do: remove the reason, such as a full stream or a missing permission, and publish again.
   */
  | 'PUBLISH_REJECTED'
  /**
   * `expectedSequence` is not the aggregate's last sequence. Not stored.
   * Do: another publisher was faster: read the aggregate, and decide again.
   */
  | 'SEQUENCE_CONFLICT'
  /**
   * `expectedSequence` cannot be compared, because the stream has dropped the aggregate's events. Not stored.
   * Do: if the event before was stored, publish again with `expectedSequence: 0`.
   */
  | 'SEQUENCE_UNKNOWN'
  /**
   * An earlier event of the aggregate was refused. Not stored.
   * Do: correct that one, then publish both again, in order.
   */
  | 'PREDECESSOR_REJECTED'
  /**
   * The event is stored or not, and no answer tells which. Its aggregate accepts nothing until that is known.
   * Do: publish the same event again, under its own id and before any later one: the receipt tells.
   */
  | 'OUTCOME_UNKNOWN'
  /**
   * The outcome of an earlier event of the aggregate is unknown. Not stored.
   * Do: publish that one again under its id, then this one.
   */
  | 'PREDECESSOR_UNKNOWN'
  /** Some events of `publishAll` failed. Do: read `results`: each event has its own outcome there. */
  | 'PUBLISH_ALL_FAILED'
  // one event, reported by the consumer
  /**
   * A stored body is no envelope, or names another aggregate.
   * Do: correct the publisher that wrote it. The event is parked: edit or skip its letter.
   */
  | 'ENVELOPE_INVALID'
  /**
   * A stored payload that its shape, or `aggregateExceptionFactory`, refuses: which fields, and why.
   * Do: add an upcaster, or edit the letter with `parked edit`; then `parked retry`.
   */
  | 'PAYLOAD_INVALID'
  /**
   * A stored event in a version that only a newer release of the service knows. It waits.
   * Do: deploy the newer release; nothing is lost.
   */
  | 'VERSION_NEWER'
  /**
   * The reason of a handler's signal after `timeoutMs`, or when an interceptor gave up.
   * Do: heed `ctx.signal` in the handler, or raise `consume.timeoutMs`.
   */
  | 'HANDLER_TIMED_OUT'
  /**
   * Of an attempt: `consume.around` ended without a call of `next`.
   * Do: call `next` exactly once, and return its promise.
   */
  | 'HANDLER_NOT_CALLED'
  /**
   * The reason of a handler's signal, or of `ctx.publish`: its partition is lost, or is handed over.
   * Do: stop the effect. The next owner handles the event again.
   */
  | 'LEASE_LOST'
  /**
   * The parked stream does not take a letter. The aggregate waits.
   * Do: make room in `<topic>_parked`, or enlarge it.
   */
  | 'PARK_REFUSED'
  // a command, reported to the operator that gives it
  /** A command for an aggregate that is live. Do: nothing: it has been released already, or the id is another one. */
  | 'NOT_PARKED'
  /**
   * No owner has answered a command in time. It stands, and is carried out later.
   * Do: look with `parked show`; start a replica if none runs.
   */
  | 'COMMAND_UNANSWERED'
  /** `parked edit`: no letter of that event waits any more. Do: nothing: it was handled, skipped or discarded. */
  | 'LETTER_UNKNOWN'
  /**
   * A letter that is replayed or was edited meanwhile, or a setting that cannot be changed. Nothing was changed.
   * Do: look again, and edit what is there now. A setting that cannot be changed needs a copy of the topic.
   */
  | 'EDIT_REFUSED'
  /**
   * `parked import`: a replica runs, the group never started there, or the file was cut. Nothing was written.
   * Do: do what the text names: stop the replicas, start the group once, or export again.
   */
  | 'IMPORT_REFUSED'
  /**
   * `topic copy`: another publisher writes to the target, or the target would drop what is copied.
   * Do: stop that publisher, or give the target more room; run the command again.
   */
  | 'COPY_REFUSED'
  /**
   * There is no record, or no trace, of this group. In a test, no server of its handlers was started.
   * Do: correct its name, or start it once.
   */
  | 'GROUP_UNKNOWN'
  /**
   * Another change of the group's layout is not complete.
   * Do: wait for it, or cancel it: `--resume` or `--cancel`.
   */
  | 'CHANGE_UNDER_WAY'
  /**
   * Of a purge: a group has not handled all events of the aggregate. Nothing was removed.
   * Do: wait until the group has settled them, or discard its letters.
   */
  | 'AGGREGATE_UNSETTLED'
  // the rest
  /**
   * `send()`, `@MessagePattern` or `on()` on this transport, or request handlers alone.
   * Do: use `emit()` and `@AggregateHandler`; requests need another transport beside this one.
   */
  | 'REQUEST_UNSUPPORTED'
  /** `startNatsServer` found no binary, and got none. Do: set `NATS_SERVER_BIN`, or install nats-server. */
  | 'NATS_SERVER_UNAVAILABLE'
  /**
   * `TestingStreams.until` or `untilHandled`: what it waits for did not come in time.
   * Do: read what is missing in the text; advance the clock, or correct the handler.
   */
  | 'TEST_TIMED_OUT';

/**
 * The form that the errors of this library and of the libraries built on it share. Decide on `code`, never on the text.
 * The message says what was expected, what was found and what to do; `cause` is the error behind it.
 */
export abstract class CodedError<Code extends string> extends Error {
  constructor(
    /** What went wrong; never reused for another meaning. */
    readonly code: Code,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The base of every error this library throws or rejects with. */
export class AggregateTransportError extends CodedError<AggregateTransportErrorCode> {
  /** The name of the class, which stacks show. Decide on `code`. */
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
  /** The code under which health names the aggregate. */
  readonly problem: 'settings-changed';
  /** Expected and found, in one line. No payload, no credentials. */
  readonly why: string;
  /** What an operator does about it. */
  readonly do: string;
}

/** An event waits because only a newer release of the service can read it: a deploy releases it. */
export interface BlockedByVersion extends Omit<BlockedBySettings, 'problem'> {
  /** The code under which health names the aggregate. */
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
