import { newEventId } from '../../message/event-id.js';
import { Groups } from '../../operating/groups/groups.js';
import type { Connection } from '../../stream/connection/connection.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { topicsWithGroups } from '../../stream/groups/known-groups.js';
import { TopicGroupsWire } from '../../stream/operating/topic-groups.js';
import { type Command, defineCommand, type Surroundings } from '../command/command.js';
import { namesOf, numberOf } from '../command/values.js';
import { changeArguments, changeOptions, LONG_FLAGS } from './change-command.js';
import { GroupDeleteCommand } from './group-delete.js';
import { FollowCommand } from './group-follow.js';
import { printGroup, printGroups } from './group-tables.js';
import { resetCommand } from './reset-command.js';
import { UsageError } from '../command/terminal.js';

const listCommand = defineCommand({
  name: 'group list',
  flags: { topic: 'string' },
  words: 1,
  help: [['[TOPIC]', 'each group: partitions, owners, run, lag, parked']],
  prepare({ flags, words }, surroundings) {
    const topic = words[0] ?? flags.topic;
    return () =>
      surroundings.connected(async (connection) => {
        const topics = topic === undefined ? await topicsOf(connection) : [topic];
        const found = await Promise.all(topics.map((one) => groupsOf(connection, one, surroundings).list()));
        printGroups(surroundings.terminal, found.flat(), flags.json === true);
        return 0;
      });
  },
});

const showCommand = defineCommand({
  name: 'group show',
  flags: { topic: 'string', group: 'string' },
  words: 2,
  help: [['TOPIC GROUP', 'each partition: owner, position, lag, what is under way']],
  prepare({ flags, words }, surroundings) {
    const { topic, group } = namesOf(words, flags);
    return () =>
      surroundings.connected(async (connection) => {
        const details = await groupsOf(connection, topic, surroundings).show(group);
        printGroup(surroundings.terminal, details, flags.json === true);
        return 0;
      });
  },
});

const deleteCommand = defineCommand({
  name: 'group delete',
  // It always carries on what was begun.
  flags: { ...LONG_FLAGS, 'dry-run': 'boolean' },
  words: 2,
  help: [
    ['TOPIC GROUP', 'delete it for good: its place, its letters, all its keys'],
    ['[--dry-run]', 'only tell what is lost'],
    ['[--wait MS]', 'how long to wait for its end, 600000'],
    ['TOPIC GROUP --cancel', 'call it off while the group is drained'],
  ],
  prepare({ flags, words }, surroundings) {
    const args = { ...namesOf(words, flags), ...changeArguments(flags), dryRun: flags['dry-run'] === true };
    return () =>
      surroundings.connected((connection) =>
        new GroupDeleteCommand(changeOptions(surroundings, connection)).run(args),
      );
  },
});

const followCommand = defineCommand({
  name: 'group follow',
  flags: {
    ...{ topic: 'string', group: 'string', with: 'string', 'until-caught-up': 'boolean' },
    ...{ within: 'string', 'max-lag': 'string', 'max-parked': 'string' },
    ...{ interval: 'string', wait: 'string' },
  },
  words: 2,
  help: [
    ['TOPIC GROUP --until-caught-up', 'its lag, until what was stored before is handled'],
    ['[--with OTHER]', 'beside the lag of another group'],
    ['[--within MS]', 'and what was stored so long ago, 10000'],
    ['[--max-lag N]', 'and no more than N events are left'],
    ['[--max-parked N]', 'with at most N aggregates parked, 0'],
    ['[--interval MS]', 'between two looks, 1000 (100 to 60000)'],
    ['[--wait MS]', 'how long to wait; without it, as long as it takes'],
  ],
  prepare({ flags, words }, surroundings) {
    const call = {
      ...namesOf(words, flags),
      with: flags.with,
      untilCaughtUp: flags['until-caught-up'] === true,
      withinMs: countOf('within', flags.within) ?? 10_000,
      maxLag: countOf('max-lag', flags['max-lag']),
      maxParked: countOf('max-parked', flags['max-parked']) ?? 0,
      everyMs: numberOf('interval', flags.interval, { otherwise: 1_000, least: 100, most: 60_000 }),
      waitMs: flags.wait === undefined ? undefined : numberOf('wait', flags.wait, { otherwise: 1 }),
      json: flags.json === true,
    };
    const { terminal, clock } = surroundings;
    return () =>
      surroundings.connected((connection) => {
        const end = new AbortController();
        process.once('SIGINT', () => end.abort());
        const groups = groupsOf(connection, call.topic, surroundings);
        return new FollowCommand({ groups, terminal, clock }).run(call, end);
      });
  },
});

/** All that is done with groups. */
export const groupCommands: readonly Command[] = [
  listCommand,
  showCommand,
  followCommand,
  resetCommand,
  deleteCommand,
];

/** @throws UsageError */
function countOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new UsageError(`expected --${flag} to be a whole number from 0, found "${text}"`);
}

function groupsOf(connection: Connection, topic: string, { clock }: Pick<Surroundings, 'clock'>): Groups {
  const wire = new TopicGroupsWire({ connection, api: new JetStreamApi(connection) }, topic, clock);
  return new Groups(wire, { clock, newOwner: () => `cli-${newEventId(clock.wallNow())}` });
}

function topicsOf(connection: Connection): Promise<readonly string[]> {
  return topicsWithGroups(new JetStreamApi(connection));
}
