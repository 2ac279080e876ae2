import { newEventId } from '../../message/event-id.js';
import type { Connection } from '../../stream/connection/connection.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { GroupAccess } from '../../stream/operating/group-access.js';
import type { Surroundings } from '../command/command.js';
import { numberOf } from '../command/values.js';
import type { ChangeCommandOptions } from './change-way.js';

/** What all commands understand that may take long. */
export const LONG_FLAGS = {
  topic: 'string',
  group: 'string',
  wait: 'string',
  yes: 'boolean',
  cancel: 'boolean',
} as const;

/** What all commands that change a group's layout understand. */
export const CHANGE_FLAGS = { ...LONG_FLAGS, resume: 'boolean' } as const;

interface ChangeFlags {
  readonly cancel?: boolean;
  readonly resume?: boolean;
  readonly json?: boolean;
  readonly yes?: boolean;
  readonly wait?: string;
}

/** @throws UsageError */
export function changeArguments(flags: ChangeFlags) {
  return {
    cancel: flags.cancel === true,
    resume: flags.resume === true,
    json: flags.json === true,
    yes: flags.yes === true,
    waitMs: numberOf('wait', flags.wait, { otherwise: 600_000 }),
  };
}

export function changeOptions(
  { terminal, clock }: Pick<Surroundings, 'terminal' | 'clock'>,
  connection: Connection,
): ChangeCommandOptions {
  const api = new JetStreamApi(connection);
  return {
    ports: (topic, group) => new GroupAccess({ connection, api }, { topic, group }, clock),
    terminal,
    clock,
    owner: `cli-${newEventId(clock.wallNow())}`,
  };
}
