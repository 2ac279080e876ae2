import { type Command, type CommandInput, defineCommand, type Surroundings } from '../command/command.js';
import { UsageError } from '../command/terminal.js';
import { numberOf } from '../command/values.js';
import { type AggregateArguments, AggregateVerbs } from './aggregate-verbs.js';

const FLAGS = {
  topic: 'string',
  group: 'string',
  payloads: 'boolean',
  'dry-run': 'boolean',
  yes: 'boolean',
  wait: 'string',
} as const;

const { group, payloads, topic, yes, wait, 'dry-run': dryRun } = FLAGS;
const ONE = '--topic T AGGREGATE';

/** `aggregate-transport aggregate …`. */
export const aggregateCommands: readonly Command[] = [
  defineCommand({
    name: 'aggregate show',
    flags: { topic, group, payloads },
    words: 1,
    help: [
      [ONE, 'its events, and where it stands in every group'],
      ['[--group G]', 'in this group alone'],
      ['[--payloads]', 'with the payload of each event'],
    ],
    prepare: (input, surroundings) => prepare('show', input, surroundings),
  }),
  defineCommand({
    name: 'aggregate purge',
    flags: { topic, 'dry-run': dryRun, yes, wait },
    words: 1,
    help: [
      [ONE, 'remove its events, letters and markers in every group, for good'],
      ['[--dry-run]', 'only tell what would be removed'],
      ['[--wait MS]', 'how long an owner may take to drop its letters, 30000'],
    ],
    prepare: (input, surroundings) => prepare('purge', input, surroundings),
  }),
];

function prepare(
  verb: 'show' | 'purge',
  {
    flags,
    words: [aggregateId],
  }: Pick<CommandInput<Partial<typeof FLAGS>>, 'words'> & {
    readonly flags: Readonly<Record<string, unknown>>;
  },
  { terminal, clock, connected }: Surroundings,
): () => Promise<number> {
  const text = (name: string): string | undefined => flags[name] as string | undefined;
  const topicName = text('topic');
  if (topicName === undefined || aggregateId === undefined)
    throw new UsageError('expected --topic and an aggregate id');
  const args: AggregateArguments = {
    topic: topicName,
    aggregateId,
    group: text('group'),
    payloads: flags['payloads'] === true,
    dryRun: flags['dry-run'] === true,
    json: flags['json'] === true,
    yes: flags['yes'] === true,
    waitMs: numberOf('wait', text('wait'), { otherwise: 30_000 }),
  };
  return () => connected((connection) => new AggregateVerbs({ terminal, clock }, connection)[verb](args));
}
