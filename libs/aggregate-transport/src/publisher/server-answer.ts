/** What the server answered to an event or a batch. */
export type ServerAnswer =
  | { readonly kind: 'stored'; readonly sequence: number; readonly duplicate: boolean }
  /** Definite: the same event sent again gets the same answer. */
  | {
      readonly kind: 'refused';
      readonly errorCode: number;
      readonly description: string;
      readonly wrongSequence: boolean;
    }
  /** Temporary: no leader, no stream yet, or an overloaded server. */
  | { readonly kind: 'unavailable'; readonly description: string };

/** JetStream error codes (nats-server errors.json) of conditions that end without our help. */
const TEMPORARY = new Set([
  10008, // JetStream system temporarily unavailable
  10023, // insufficient resources
  10158, // duplicate message id is in process (R3, ADR-50)
]);
/** Wrong last sequence; 10164 is the per-subject form of later servers. */
const WRONG_SEQUENCE = new Set([10071, 10164]);
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
  if (ack.error.code === UNAVAILABLE_STATUS || TEMPORARY.has(errorCode)) {
    return { kind: 'unavailable', description };
  }
  return { kind: 'refused', errorCode, description, wrongSequence: WRONG_SEQUENCE.has(errorCode) };
}

/** The answer to an event that no stream received. */
export const NO_RESPONDERS: ServerAnswer = {
  kind: 'unavailable',
  description: 'no stream has this subject, or the stream has no leader',
};

/** The answer to an event that the server dropped because of a missing permission. */
export function noPermission(subject: string): ServerAnswer {
  return {
    kind: 'refused',
    errorCode: 0,
    description: `the user lacks the permission to publish to "${subject}"`,
    wrongSequence: false,
  };
}
