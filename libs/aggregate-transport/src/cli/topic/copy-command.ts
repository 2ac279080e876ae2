import { readFile } from 'node:fs/promises';
import { describeError } from '../../errors.js';
import { requireTopicName } from '../../message/topic.js';
import { ALL, parseChosen } from '../../operating/topics/chosen-ids.js';
import { NO_RENAMES, parseRenames, type RenamedIds } from '../../operating/topics/rename-ids.js';
import { defineCommand } from '../command/command.js';
import { UsageError } from '../command/terminal.js';
import { numberOf, understood } from '../command/values.js';
import { copyTopic } from './copy.js';

export const copyCommand = defineCommand({
  name: 'topic copy',
  flags: {
    ...{
      'rename-ids': 'string',
      only: 'string',
      'to-server': 'string',
      'to-creds': 'string',
      wait: 'string',
    },
    ...{ 'dry-run': 'boolean', 'until-caught-up': 'boolean', follow: 'boolean', yes: 'boolean' },
  },
  words: 2,
  help: [
    ['FROM TO', 'copy the events that are there now, in order; run again, it continues'],
    ['[--until-caught-up]', 'also those published meanwhile, until none is left'],
    ['[--follow]', 'and new ones, until it is interrupted'],
    ['[--only PATTERN]', "only aggregates with such an id, such as 'pay-*'"],
    ['[--rename-ids FILE]', 'new aggregate ids: JSON { "old": "new" } or lines old,new'],
    ['[--to-server URL] [--to-creds FILE]', 'to a topic on another server'],
    ['[--dry-run]', 'only count'],
    ['[--wait MS]', 'how long an event is tried while the server does not answer, 60000'],
  ],
  prepare({ flags, words: [from, to] }, { terminal, clock, connected, connectedTo }) {
    if (from === undefined || to === undefined) throw new UsageError('expected two topics');
    for (const topic of [from, to]) understood(() => requireTopicName(topic, 'topic copy'));
    const server = flags['to-server'];
    if (from === to && server === undefined) throw new UsageError('expected two topics, found one twice');
    const args = {
      ...{ from, to, json: flags.json === true, dryRun: flags['dry-run'] === true },
      isFollowing: flags.follow === true,
      untilCaughtUp: flags['until-caught-up'] === true,
      waitMs: numberOf('wait', flags.wait, { otherwise: 60_000 }),
    };
    const { only } = flags;
    const chosen = only === undefined ? ALL : understood(() => parseChosen(only));
    const file = flags['rename-ids'];
    return async () => {
      const renames = file === undefined ? NO_RENAMES : await renamesIn(file);
      return connected((source) => {
        const copy = { args, renames, chosen, terminal, clock };
        if (server === undefined) return copyTopic({ ...copy, source, target: source });
        return connectedTo(server, flags['to-creds'], (target) => copyTopic({ ...copy, source, target }));
      });
    };
  },
});

/** @throws UsageError */
async function renamesIn(file: string): Promise<RenamedIds> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(
      `expected --rename-ids to name a file that can be read, found ${describeError(error)}`,
    );
  }
  return understood(() => parseRenames(text));
}
