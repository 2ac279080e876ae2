import { jsonCodec } from '#library/message/codec.js';
import { Delivery } from '#library/message/delivery.js';
import { subjectOf, tokenOf } from '#library/message/subject.js';

export interface GivenDelivery {
  readonly sequence?: number;
  readonly token?: string;
  readonly body?: Uint8Array;
}

/** An event as a reader delivers it. What a test does not name is made up. */
export function deliveryOf({
  sequence = 1,
  token = 'a',
  body = new Uint8Array(10),
}: GivenDelivery = {}): Delivery {
  return new Delivery({
    subject: subjectOf('orders', token),
    token,
    sequence,
    consumerSequence: sequence,
    body,
    readHeaders: () => ({}),
    readStoredAt: () => `17672256000000000${String(sequence).padStart(2, '0')}`,
  });
}

/** An event that can be decoded. */
export function eventOf(
  aggregateId: string,
  sequence: number,
  type = 'Counted',
  payload: unknown = { n: sequence },
): Delivery {
  const body = jsonCodec.encode({
    event_id: `e${sequence}`,
    aggregate_id: aggregateId,
    event_type: type,
    event_version: 1,
    timestamp: '2026-01-01T00:00:00.000Z',
    payload,
  });
  return deliveryOf({ sequence, token: tokenOf(aggregateId), body });
}

export { recordedLog } from '../../../support/recorded-log.js';
