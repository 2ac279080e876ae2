import { type Clock, delay } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { HEADER } from '../../message/headers.js';
import type { Connection } from '../connection/connection.js';
import { publishConfirmed } from './confirmed-publish.js';

/** A subject that a stream must receive. */
export interface ProbedPlace {
  readonly stream: string;
  readonly subject: string;
  /** It is a key-value key, so it lies below the API's prefix. */
  readonly isKey?: boolean;
}

/** No stream can have a name with dots: a stream answers a message that expects it, and never stores it. */
const NO_STREAM = 'none.of.these';
const WRONG_STREAM = 10060;
/** A stream that was just made is not known yet at every leaf node. */
const PATIENCE_MS = 2_000;
const AGAIN_AFTER_MS = 100;

/**
 * Makes sure that what is published here reaches a stream elsewhere: behind a leaf node, or in another account. Nothing
 * is stored. Asks nothing of the user's own account.
 * @throws JETSTREAM_REQUEST_FAILED if no stream receives the subject
 */
export async function requireReached(
  connection: Connection,
  clock: Clock,
  place: ProbedPlace,
): Promise<void> {
  const { option, keys, api } = connection.jetStream;
  if (option === undefined) return;
  const subject = (place.isKey === true ? keys : '') + place.subject;
  const until = clock.now() + PATIENCE_MS;
  for (;;) {
    const headers = new Map([[HEADER.expectedStream, NO_STREAM]]);
    const answer = await publishConfirmed(connection, subject, '', headers);
    if (answer.kind !== 'unavailable' || answer.refusal !== 'absent') {
      if ('errorCode' in answer && answer.errorCode === WRONG_STREAM) return;
      throw unreached(place.stream, subject, describe(answer), 'correct what it names');
    }
    if (clock.now() >= until) {
      const whole = place.isKey === true ? `"$KV.>" as "${keys}$KV.>"` : `"${place.stream}.>"`;
      const todo =
        option === 'apiPrefix'
          ? `export ${place.isKey === true ? '"$KV.>"' : whole} as a service from the account of JetStream, and import ${whole}`
          : `check the leaf node, and that its permissions let "${subject}" pass`;
      throw unreached(
        place.stream,
        subject,
        `that no stream receives it, although the API answers at ${api}>`,
        todo,
      );
    }
    await delay(clock, AGAIN_AFTER_MS);
  }
}

function describe(answer: { readonly kind: string; readonly description?: string }): string {
  return answer.description ?? `an answer of kind "${answer.kind}"`;
}

function unreached(stream: string, subject: string, found: string, todo: string): AggregateTransportError {
  return new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    `expected what is published to "${subject}" to reach stream "${stream}", found ${found}; ${todo}`,
  );
}
