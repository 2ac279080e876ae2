import type { ParkReason } from '../../message/park-reason.js';
import { type LetterFilter, parseFilter } from '../../operating/letters/letter-filter.js';
import { type Command, type CommandInput, defineCommand, type Surroundings } from '../command/command.js';
import { UsageError } from '../command/terminal.js';
import { numberOf, understood } from '../command/values.js';
import { placeOf } from './parked-place.js';
import { type ParkedArguments, ParkedVerbs } from './parked-verbs.js';

const ADDRESS = { topic: 'string', group: 'string' } as const;
const DROP = { ...ADDRESS, wait: 'string', yes: 'boolean' } as const;

/** What each verb understands. */
const FLAGS = {
  list: { ...ADDRESS, reason: 'string', filter: 'string' },
  show: ADDRESS,
  retry: { ...ADDRESS, reason: 'string', filter: 'string', all: 'boolean', rate: 'string', wait: 'string' },
  skip: DROP,
  discard: DROP,
} as const;

type ParkedFlags = (typeof FLAGS)['retry'] & typeof DROP;

type Verb = keyof typeof FLAGS;

const ONE = 'TOPIC/GROUP/AGGREGATE';

/** `aggregate-transport parked …`. */
export const parkedCommands: readonly Command[] = [
  parkedCommand('list', [
    ['[--topic T] [--group G]', 'what is parked, and why'],
    ['[--reason R]', 'only what was parked for this reason'],
    ['[--filter type=T,error=E]', 'only these: first letter of type T, and E within the error, or /E/i'],
  ]),
  parkedCommand('show', [[ONE, 'its letters']]),
  parkedCommand('retry', [
    [ONE, 'handle its letters again, in order'],
    ['--all [--topic T] [--group G] [--reason R]', 'of every parked aggregate'],
    ['[--filter type=T,error=E]', 'only of these'],
    ['[--rate N]', 'N begun per second, 20'],
    ['[--wait MS]', "how long to wait for the owner's answer, 30000"],
  ]),
  parkedCommand('skip', [[ONE, 'drop its first letter']]),
  parkedCommand('discard', [[ONE, 'drop all its letters']]),
];

function parkedCommand(verb: Verb, help: Command['help']): Command {
  return defineCommand({
    name: `parked ${verb}`,
    flags: FLAGS[verb] as ParkedFlags,
    words: 1,
    help,
    prepare: (input, surroundings) => prepare(verb, input, surroundings),
  });
}

/** @throws UsageError */
function filtersOf({
  reason,
  filter,
}: {
  readonly reason?: string;
  readonly filter?: string;
}): LetterFilter[] {
  const filters = reason === undefined ? [] : [{ reason: reason as ParkReason }];
  return filter === undefined ? filters : [...filters, understood(() => parseFilter(filter))];
}

function prepare(
  verb: Verb,
  { flags, words: [word] }: CommandInput<ParkedFlags>,
  { terminal, connected }: Surroundings,
): () => Promise<number> {
  const isForMany = verb === 'list' || (verb === 'retry' && flags.all === true);
  const { topic, group, aggregateId } = isForMany ? { ...flags, aggregateId: word } : placeOf(word, flags);
  if (!isForMany && aggregateId === undefined)
    throw new UsageError('expected TOPIC/GROUP/AGGREGATE, or --topic, --group and an aggregate id');
  const args: ParkedArguments = {
    topic,
    group,
    aggregateId,
    filters: filtersOf(flags),
    all: flags.all === true,
    json: flags.json === true,
    yes: flags.yes === true,
    waitMs: numberOf('wait', flags.wait, { otherwise: 30_000 }),
    ratePerSecond: numberOf('rate', flags.rate, { otherwise: 20 }),
  };
  if (flags.filter !== undefined && verb === 'retry' && !args.all)
    throw new UsageError('expected --filter with --all, found it with one aggregate');
  return () => connected((connection) => new ParkedVerbs(connection, terminal)[verb](args));
}
