import { CONNECTION_EVENTS } from './connection-events.js';
import type { LogEventDefinition } from './definition.js';
import { GROUP_EVENTS } from './group-events.js';
import { HANDLING_EVENTS } from './handling-events.js';
import { PARKING_EVENTS } from './parking-events.js';
import { PARTITION_EVENTS } from './partition-events.js';
import { PROCESS_EVENTS } from './process-events.js';
import { TOPIC_EVENTS } from './topic-events.js';

/** Every line that the library can say, by the name of its event. */
export const LOG_EVENTS = {
  ...PROCESS_EVENTS,
  ...CONNECTION_EVENTS,
  ...TOPIC_EVENTS,
  ...GROUP_EVENTS,
  ...PARTITION_EVENTS,
  ...HANDLING_EVENTS,
  ...PARKING_EVENTS,
} as const satisfies Readonly<Record<string, LogEventDefinition>>;
