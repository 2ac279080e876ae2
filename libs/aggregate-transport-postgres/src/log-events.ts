/** All fields that lines can have. None may hold a payload or a credential. */
export interface LogFields {
  readonly topic?: string;
  readonly aggregate?: string;
  readonly eventId?: string;
  /** From 1 on. */
  readonly shard?: number;
  readonly shards?: number;
  readonly epoch?: number;
  readonly table?: string;
  readonly againInMs?: number;
  readonly why?: string;
  readonly errorName?: string;
  readonly errorCode?: string | number;
}

/** What is known of an event before it happens. docs/logs.md is made of it. */
export interface LogEventDefinition {
  /** `debug` for what a healthy service does all the time. */
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** What every line has. */
  readonly fields: readonly (keyof LogFields)[];
  /** What some lines have. */
  readonly sometimes?: readonly (keyof LogFields)[];
  /** It is about an error: the line has `why`, `errorName`, and `errorCode` if the error has a code. */
  readonly fails?: true;
  /** Each of many aggregates can have a line: of those only so many are said in a time. */
  readonly repeats?: true;
  readonly means: string;
  readonly do: string;
}

/** Every line that this library can say, by the name of its event. */
export const LOG_EVENTS = {
  'postgres-connection-lost': {
    level: 'warn',
    fields: [],
    fails: true,
    means: 'a connection of the pool broke while nothing used it',
    do: 'nothing, if it passes',
  },
  'shard-relayed': {
    level: 'info',
    fields: ['topic', 'shard', 'shards', 'epoch'],
    means: 'this process relays a shard of the outbox',
    do: 'nothing',
  },
  'relay-restarted': {
    level: 'warn',
    fields: ['topic'],
    fails: true,
    means: 'the database or the stream did not answer; the relay begins again',
    do: 'nothing, if it passes',
  },
  'relay-lock-lost': {
    level: 'warn',
    fields: ['topic'],
    fails: true,
    means: 'its connection broke, so another relay may hold the lock now',
    do: 'nothing, if it passes',
  },
  'events-not-stored': {
    level: 'warn',
    fields: ['topic'],
    fails: true,
    means: 'the stream refuses or does not answer; the events are sent again',
    do: 'make room in the stream, or see why NATS is away',
  },
  'stream-changed': {
    level: 'warn',
    fields: ['topic'],
    means: 'the stream was made again, or restored from a backup',
    do: 'nothing; every aggregate is looked up again',
  },
  'aggregate-stopped': {
    level: 'error',
    fields: ['topic', 'aggregate', 'eventId', 'errorCode', 'why'],
    repeats: true,
    means: 'an event was refused for good; later events of its aggregate wait',
    do: 'correct the cause, then `npx aggregate-transport outbox retry`',
  },
  'outbox-hook-failed': {
    level: 'error',
    fields: ['topic', 'aggregate'],
    fails: true,
    repeats: true,
    means: 'your `hooks.outboxStopped` threw or rejected; nothing else is affected',
    do: 'fix the hook',
  },
  'day-table-made': {
    level: 'debug',
    fields: ['table'],
    means: 'the table of a day to come was made',
    do: 'nothing',
  },
  'day-table-dropped': {
    level: 'debug',
    fields: ['table'],
    means: 'the empty table of an old day was dropped',
    do: 'nothing',
  },
  'day-tables-not-kept': {
    level: 'warn',
    fields: ['againInMs'],
    fails: true,
    means: 'tables of days could not be made or dropped',
    do: 'nothing, if it passes; until then events go to the rest table',
  },
  'day-tables-not-owned': {
    level: 'warn',
    fields: ['why'],
    means: 'this role may not make tables',
    do: 'let their owner run `npx aggregate-transport postgres migrate --by-day` once a day',
  },
} as const satisfies Readonly<Record<string, LogEventDefinition>>;
