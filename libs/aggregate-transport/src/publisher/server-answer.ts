/** What the server answered to an event or a batch. */
export type ServerAnswer =
  { readonly kind: 'stored'; readonly sequence: number; readonly duplicate: boolean } | Refusal;

/** An answer that stores nothing. */
export type Refusal =
  /** Definite: the same event sent again gets the same answer, until an operator changes its cause. */
  | {
      readonly kind: 'refused';
      readonly errorCode: number;
      readonly description: string;
      readonly wrongSequence: boolean;
      /** Set if it is not about this event: any other would be refused, too. */
      readonly concernsAll?: true;
    }
  /** Temporary: a full stream, no leader, no stream yet, or an overloaded server. */
  | {
      readonly kind: 'unavailable';
      readonly description: string;
      /** nats-server's own number, if it gave one. */
      readonly errorCode?: number;
      /**
       * Set if it is certain that this copy is not stored. `full`: the stream's limits, or the account's, refuse it
       * until there is room. `absent`: no stream received it, or the server had no resources for it.
       */
      readonly refusal?: 'full' | 'absent';
    };

/** JetStream error codes (nats-server errors.json) of conditions that end without our help. */
const TEMPORARY = new Set([
  10008, // JetStream system temporarily unavailable
  10158, // duplicate message id is in process (R3, ADR-50)
]);
/** The server answers these before it stores anything. */
const NOT_STORED = new Map<number, 'full' | 'absent'>([
  [10002, 'full'], // resource limits exceeded for account
  [10023, 'absent'], // insufficient resources
  [10039, 'absent'], // JetStream not enabled for account
  [10076, 'absent'], // JetStream not enabled
]);
const STORE_FAILED = 10077;
/**
 * What "store failed" says of a stream with `discard: 'new'`. Its other texts are about the disk of one server, and
 * another server may have stored the event.
 */
const FULL_STREAM = /^maximum (?:messages|bytes)(?: per subject)? exceeded$/;
/** Wrong last sequence; 10164 is the per-subject form of later servers. */
const WRONG_SEQUENCE = new Set([10071, 10164]);
/** "Invalid operation on sealed stream". */
const SEALED = 10109;
const UNAVAILABLE_STATUS = 503;

interface PubAck {
  seq?: number;
  duplicate?: boolean;
  error?: { code?: number; err_code?: number; description?: string };
}

/** Reads the server's answer to a publish. Pure. */
export function readAnswer(body: string): ServerAnswer {
  let ack: PubAck;
  try {
    ack = (JSON.parse(body) ?? {}) as PubAck;
  } catch {
    return { kind: 'unavailable', description: 'the answer is not JSON' };
  }
  if (ack.error === undefined) {
    // nats-server 2.10 with replicas answers a copy with "duplicate" and no sequence while the first copy is not
    // stored. A step-down or a full stream may still drop that first copy. Later servers answer 10158.
    if (ack.seq === 0) return { kind: 'unavailable', description: 'an earlier copy is not stored yet' };
    if (typeof ack.seq === 'number') {
      return { kind: 'stored', sequence: ack.seq, duplicate: ack.duplicate === true };
    }
    return { kind: 'unavailable', description: 'the answer has no sequence' };
  }
  const errorCode = ack.error.err_code ?? 0;
  const description = ack.error.description ?? 'no description';
  const refusal = refusalOf(errorCode, description);
  if (refusal !== undefined) return { kind: 'unavailable', errorCode, description, refusal };
  if (ack.error.code === UNAVAILABLE_STATUS || TEMPORARY.has(errorCode)) {
    return { kind: 'unavailable', errorCode, description };
  }
  const wrongSequence = WRONG_SEQUENCE.has(errorCode);
  const about = errorCode === SEALED ? { concernsAll: true as const } : {};
  return { kind: 'refused', errorCode, description, wrongSequence, ...about };
}

/** The answer to an event that no stream received. */
export const NO_RESPONDERS: Refusal = {
  kind: 'unavailable',
  description: 'no stream has this subject, or the stream has no leader',
  refusal: 'absent',
};

/** An answer that stores nothing, in words: the server's number, if it gave one, and its text. Pure. */
export function describeAnswer({ errorCode = 0, description }: Refusal): string {
  return errorCode === 0 ? description : `${errorCode}: ${description}`;
}

function refusalOf(errorCode: number, description: string): 'full' | 'absent' | undefined {
  if (errorCode === STORE_FAILED && FULL_STREAM.test(description)) return 'full';
  return NOT_STORED.get(errorCode);
}

/** The answer to an event that the server dropped because of a missing permission. */
export function noPermission(subject: string): ServerAnswer {
  return {
    kind: 'refused',
    errorCode: 0,
    description: `the user lacks the permission to publish to "${subject}"`,
    wrongSequence: false,
    concernsAll: true,
  };
}
