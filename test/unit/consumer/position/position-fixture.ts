import { Delivery } from '#library/message/delivery.js';
import { subjectOf } from '#library/message/subject.js';
import type { PositionRecord } from '#library/records/position-record.js';

export const TOPIC = 't';
export const CREATED = '2026-01-01T00:00:00.000000001Z';

interface DeliveryFields {
  readonly sequence: number;
  readonly token?: string;
  readonly consumerSequence?: number;
  readonly bytes?: number;
}

/** An event as a reader delivers it. Its stored time names its sequence. */
export function deliveryOf({
  sequence,
  token = 'a',
  consumerSequence = 0,
  bytes = 10,
}: DeliveryFields): Delivery {
  return new Delivery({
    subject: subjectOf(TOPIC, token),
    token,
    sequence,
    consumerSequence,
    body: new Uint8Array(bytes),
    readHeaders: () => ({}),
    readStoredAt: () => timeOf(sequence),
  });
}

/** When the event of this sequence was stored. */
export function timeOf(sequence: number): string {
  return `17${String(sequence).padStart(17, '0')}`;
}

export function recordOf(fields: Partial<PositionRecord> = {}): PositionRecord {
  return {
    v: 1,
    epoch: 1,
    owner: 'a',
    write: 1,
    created: CREATED,
    high: 0,
    highTime: '',
    unsettled: '',
    window: 10,
    deaths: 0,
    starts: {},
    run: 0,
    ...fields,
  };
}

export { recordedLog } from '../../../support/recorded-log.js';
