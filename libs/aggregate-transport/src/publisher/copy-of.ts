import { isSabotaged } from '#sabotage';
import type { OutgoingEvent } from '../message/outgoing-event.js';

const NO_HEADERS = new TextEncoder().encode('NATS/1.0\r\n\r\n');

/** An event as it is sent again: the same, dedup id included, so that the stream knows it. */
export function copyOf(event: OutgoingEvent): OutgoingEvent {
  return isSabotaged('publisher-drops-dedup-id') ? { ...event, headers: NO_HEADERS } : event;
}
