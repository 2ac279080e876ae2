import type { LogEventDefinition } from './definition.js';

/** Of a topic: its stream, and publishing to it. */
export const TOPIC_EVENTS = {
  'topic-opened': {
    level: 'info',
    place: 'topic',
    fields: [],
    means: 'a topic is open; which server, and if its stream was made',
    do: 'nothing',
  },
  'batching-on': {
    level: 'debug',
    place: 'topic',
    fields: ['count'],
    means: 'the first events of long queues are sent as one batch',
    do: 'nothing',
  },
  'batching-off': {
    level: 'info',
    place: 'topic',
    fields: ['why'],
    means: 'long queues are sent one by one from the start; the reason follows',
    do: 'nothing; the promises are the same',
  },
  'batching-stopped': {
    level: 'warn',
    place: 'topic',
    fields: ['why'],
    means: 'long queues are sent one by one from now on; the reason follows',
    do: 'nothing; the promises are the same',
  },
  'outcome-not-found': {
    level: 'warn',
    place: 'topic',
    fields: ['aggregate'],
    fails: true,
    repeats: true,
    means: 'a publish timed out, and the stream does not answer',
    do: 'publish again, under the same id',
  },
  'outcome-found': {
    level: 'info',
    place: 'topic',
    fields: ['aggregate', 'why'],
    repeats: true,
    means: 'a publish timed out, and the stream was asked what became of it',
    do: 'nothing',
  },
  'setting-changed': {
    level: 'error',
    place: 'topic',
    fields: ['stream', 'why'],
    sometimes: ['remedy'],
    means: 'an operator edited a stream, or deleted it',
    do: 'change it back, as the text says',
  },
  'setting-restored': {
    level: 'info',
    place: 'topic',
    fields: ['stream'],
    means: 'that edit was taken back',
    do: 'nothing',
  },
} as const satisfies Readonly<Record<string, LogEventDefinition>>;
