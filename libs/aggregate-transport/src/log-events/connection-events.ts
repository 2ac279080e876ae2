import type { LogEventDefinition } from './definition.js';

/** Of a connection to NATS. */
export const CONNECTION_EVENTS = {
  'client-guessed': {
    level: 'info',
    place: 'connection',
    fields: [],
    means: 'both NATS clients are installed, and no option says which is meant',
    do: 'choose with option `client`',
  },
  'connection-gone': {
    level: 'warn',
    place: 'connection',
    fields: ['server'],
    means: 'the connection to the server broke',
    do: 'nothing, if it passes',
  },
  'connection-back': {
    level: 'info',
    place: 'connection',
    fields: ['server'],
    means: 'it is made again',
    do: 'nothing',
  },
  'connection-closed': {
    level: 'error',
    place: 'connection',
    fields: [],
    fails: true,
    means:
      'the client gave up, as after two refusals of its credentials; every publish ends with `CONNECTION_CLOSED`',
    do: 'fix the cause, restart',
  },
  'connection-error': {
    level: 'error',
    place: 'connection',
    fields: ['why'],
    repeats: true,
    means: 'the client or the server reports an error of the connection',
    do: 'as the text says',
  },
  'permission-denied': {
    level: 'error',
    place: 'connection',
    fields: ['subject', 'why'],
    means: 'the server does not let this process use a subject',
    do: 'grant it; see _Permissions_',
  },
  'optional-permission-denied': {
    level: 'warn',
    place: 'connection',
    fields: ['subject', 'why'],
    means: 'the server refuses a subject that no event depends on; the text says what is lost without it',
    do: 'grant it, or leave it so; see [ask.md](ask.md)',
  },
  'credentials-refused': {
    level: 'error',
    place: 'connection',
    fields: ['errorCode'],
    means: 'expired or replaced; see [security.md](security.md)',
    do: 'give valid ones',
  },
  'reconnect-delay-invalid': {
    level: 'error',
    place: 'connection',
    fields: ['why'],
    means: 'your handler threw, or gave no number; the default wait is used',
    do: 'fix the handler',
  },
  'message-not-sent': {
    level: 'error',
    place: 'connection',
    fields: ['why'],
    means: 'the client refused it; it counts as lost and is sent again',
    do: 'nothing, if it passes; do not drain or close a connection from `unwrap()`',
  },
  'listener-failed': {
    level: 'error',
    place: 'connection',
    fields: [],
    fails: true,
    means: 'a fault of this library; the other listeners were told',
    do: 'report it, with the line',
  },
} as const satisfies Readonly<Record<string, LogEventDefinition>>;
