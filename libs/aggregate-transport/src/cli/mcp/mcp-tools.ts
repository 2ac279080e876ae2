import { AggregateTransportError } from '../../errors.js';
import type { AggregateInGroup, GroupAddress, Operations } from '../../operations/operations.js';

/** What a client gives to a tool: anything at all. */
export type ToolInput = Readonly<Record<string, unknown>>;

/** One tool of the MCP server. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly properties: Readonly<Record<string, object>>;
  readonly required: readonly string[];
  /** It changes something. `drops`: something is lost for good by it. */
  readonly changes?: 'repairs' | 'drops';
  /** @throws AggregateTransportError */
  readonly run: (operations: Operations, input: ToolInput) => Promise<unknown>;
}

const TOPIC = { type: 'string', description: 'The topic.' };
const GROUP = { type: 'string', description: 'The consumer group.' };
const AGGREGATE = { type: 'string', description: "The aggregate's id, exactly." };
const LIMIT = { type: 'integer', minimum: 1, maximum: 200, description: 'At most so many. Default 20.' };
const DEFAULT_LIMIT = 20;
const MOST = 200;
const IN_GROUP = { topic: TOPIC, group: GROUP };
const ADDRESS = { ...IN_GROUP, aggregateId: AGGREGATE };

/** All tools, those that change something last. With `payloads` the payloads of events and letters are told, too. */
export function toolsOf({ payloads }: { readonly payloads: boolean }): readonly Tool[] {
  return [...LOOKS, ...aggregateLooks(payloads), ...COMMANDS];
}

const LOOKS: readonly Tool[] = [
  {
    name: 'list_topics',
    description: 'The topics on the server: events, bytes, aggregates, groups.',
    ...{ properties: {}, required: [] },
    run: (operations) => operations.topics(),
  },
  {
    name: 'list_groups',
    description:
      'Consumer groups: condition, partitions and owners, lag, age of the oldest event, parked aggregates.',
    ...{ properties: { topic: TOPIC }, required: [] },
    run: (operations, input) => operations.groups(optionalText(input, 'topic')),
  },
  {
    name: 'show_group',
    description:
      'One group with its partitions: owner, lease, epoch, position, lag. With what its running processes say: rates, ' +
      'latencies, breaker, problems that health names, and the aggregates in trouble, worst first. What no process ' +
      'answers is listed as unknown.',
    ...{ properties: { ...IN_GROUP, limit: LIMIT }, required: ['topic', 'group'] },
    run: async (operations, input) => {
      const address = groupOf(input);
      const [group, live] = await Promise.all([
        operations.group(address),
        operations.askGroup(address, { worst: limitOf(input) }),
      ]);
      return { group, live };
    },
  },
  {
    name: 'list_parked',
    description:
      'Parked aggregates of a group, by id: state, reason, error, attempts, since, letters. In pages.',
    properties: {
      ...IN_GROUP,
      limit: LIMIT,
      after: { type: 'string', description: 'The `next` of the page before.' },
      error: { type: 'string', description: 'Only those whose error holds this text.' },
      type: { type: 'string', description: 'Only those whose first letter has this event type.' },
    },
    required: ['topic', 'group'],
    run: (operations, input) => {
      const after = optionalText(input, 'after');
      const [error, type] = [optionalText(input, 'error'), optionalText(input, 'type')];
      const filter = { ...(error !== undefined && { error }), ...(type !== undefined && { type }) };
      const page = { limit: limitOf(input), ...(after !== undefined && { after }) };
      return operations.parked(groupOf(input), filter, page);
    },
  },
  {
    name: 'search_aggregates',
    description: 'Aggregates of exactly this id, and parked ones whose id contains the text.',
    properties: {
      text: { type: 'string', description: 'An id, or a part of one.' },
      topic: TOPIC,
      limit: LIMIT,
    },
    required: ['text'],
    run: (operations, input) => {
      const topic = optionalText(input, 'topic');
      return operations.search(text(input, 'text'), {
        limit: limitOf(input),
        ...(topic !== undefined && { topic }),
      });
    },
  },
];

function aggregateLooks(payloads: boolean): readonly Tool[] {
  return [
    {
      name: 'show_aggregate',
      description:
        'One aggregate: its history as a timeline (stored, attempts, errors, letters), where it stands in each group, ' +
        'and what the owners say.',
      properties: { topic: TOPIC, aggregateId: AGGREGATE, group: GROUP, limit: LIMIT },
      required: ['topic', 'aggregateId'],
      run: (operations, input) => {
        const group = optionalText(input, 'group');
        const address = { topic: text(input, 'topic'), aggregateId: text(input, 'aggregateId') };
        const options = { limit: limitOf(input), payloads, ...(group !== undefined && { group }) };
        return operations.aggregate(address, options);
      },
    },
    {
      name: 'show_letters',
      description: 'The letters of one parked aggregate, in order: why each is there, and its trace id.',
      properties: {
        ...ADDRESS,
        limit: LIMIT,
        after: { type: 'integer', description: 'The `next` of the page before.' },
      },
      required: ['topic', 'group', 'aggregateId'],
      run: (operations, input) => {
        const { after } = input;
        const page = { limit: limitOf(input), payloads, ...(typeof after === 'number' && { after }) };
        return operations.letters(inGroupOf(input), page);
      },
    },
  ];
}

const COMMANDS: readonly Tool[] = [
  {
    name: 'retry_parked',
    description:
      'Lets the owner handle the letters of one aggregate again, first to last. Safe to call again.',
    ...{ properties: ADDRESS, required: ['topic', 'group', 'aggregateId'], changes: 'repairs' },
    run: (operations, input) => operations.retry(inGroupOf(input)),
  },
  {
    name: 'skip_parked',
    description: 'Drops the first letter of one aggregate for good: a hole in its order. Ask a human first.',
    ...{ properties: ADDRESS, required: ['topic', 'group', 'aggregateId'], changes: 'drops' },
    run: (operations, input) => operations.skip(inGroupOf(input)),
  },
  {
    name: 'discard_parked',
    description:
      'Drops all letters of one aggregate for good: they are lost to the group. Ask a human first.',
    ...{ properties: ADDRESS, required: ['topic', 'group', 'aggregateId'], changes: 'drops' },
    run: (operations, input) => operations.discard(inGroupOf(input)),
  },
];

function groupOf(input: ToolInput): GroupAddress {
  return { topic: text(input, 'topic'), group: text(input, 'group') };
}

function inGroupOf(input: ToolInput): AggregateInGroup {
  return { ...groupOf(input), aggregateId: text(input, 'aggregateId') };
}

function text(input: ToolInput, name: string): string {
  const value = optionalText(input, name);
  if (value !== undefined && value !== '') return value;
  throw invalid(`expected "${name}" to be a text, found none`);
}

function optionalText(input: ToolInput, name: string): string | undefined {
  const value = input[name];
  if (value === undefined || typeof value === 'string') return value;
  throw invalid(`expected "${name}" to be a text, found ${typeof value}`);
}

function limitOf({ limit = DEFAULT_LIMIT }: ToolInput): number {
  if (typeof limit === 'number' && Number.isInteger(limit) && limit >= 1 && limit <= MOST) return limit;
  throw invalid(`expected "limit" to be a whole number from 1 to ${MOST}, found ${String(limit)}`);
}

function invalid(problem: string): AggregateTransportError {
  return new AggregateTransportError('OPTIONS_INVALID', `${problem}; call the tool again with it`);
}
