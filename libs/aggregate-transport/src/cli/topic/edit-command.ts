import type { Clock } from '../../clock.js';
import {
  bytesIn,
  durationIn,
  planTopicEdit,
  type TopicNow,
  type WantedTopic,
} from '../../operating/topics/topic-edit.js';
import type { StreamConfig, StreamInfo } from '../../stream/api/api-types.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { msOf, nanosOf } from '../../stream/api/time.js';
import type { Connection } from '../../stream/connection/connection.js';
import { changeTopicStream, hasSchedules, readTopicStream } from '../../stream/topics/topic-settings.js';
import { type CommandInput, defineCommand } from '../command/command.js';
import { type Terminal, UsageError } from '../command/terminal.js';
import { jsonLine } from '../command/json-line.js';

const FLAGS = {
  'max-bytes': 'string',
  'max-messages': 'string',
  'max-age': 'string',
  replicas: 'string',
  'duplicate-window': 'string',
  discard: 'string',
  storage: 'string',
  schedules: 'boolean',
  'dry-run': 'boolean',
  yes: 'boolean',
} as const;

export const topicEditCommand = defineCommand({
  name: 'topic edit',
  flags: FLAGS,
  words: 1,
  help: [
    ['TOPIC', 'change what may be changed on its stream, and tell what start-up expects then'],
    ['[--max-bytes 2GiB] [--max-messages N]', '-1: no limit'],
    ['[--max-age 7d]', '0: no limit'],
    ['[--replicas N]', 'of the topic, its positions and its letters'],
    ['[--duplicate-window 2m] [--discard old|new]', ''],
    ['[--schedules]', 'take events that are due later (server 2.12); never turned off again'],
    ['[--dry-run]', 'only tell what would change'],
  ],
  prepare({ flags, words: [topic] }, { terminal, clock, connected }) {
    if (topic === undefined) throw new UsageError('expected a topic');
    const wanted = wantedOf(flags);
    if (Object.keys(wanted).length === 0)
      throw new UsageError('expected a setting to change, found none; see --help');
    const args = {
      topic,
      wanted,
      json: flags.json === true,
      yes: flags.yes === true,
      isDry: flags['dry-run'] === true,
    };
    return () => connected((connection) => editTopic(args, { connection, terminal, clock }));
  },
});

type EditFlags = CommandInput<typeof FLAGS>['flags'];

/** @throws UsageError */
function wantedOf(flags: EditFlags): WantedTopic {
  const count = (text: string): number | undefined => (/^(-1|\d+)$/.test(text) ? Number(text) : undefined);
  const maxBytes = valueOf(flags, 'max-bytes', bytesIn);
  const maxMessages = valueOf(flags, 'max-messages', count);
  const maxAgeMs = valueOf(flags, 'max-age', durationIn);
  const replicas = valueOf(flags, 'replicas', count);
  const duplicateWindowMs = valueOf(flags, 'duplicate-window', durationIn);
  const { discard, storage } = flags;
  const given = { maxBytes, maxMessages, maxAgeMs, replicas, duplicateWindowMs, discard, storage };
  const wanted = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as WantedTopic;
  return flags.schedules === true ? { ...wanted, schedules: true } : wanted;
}

function valueOf(
  flags: EditFlags,
  name: 'max-bytes' | 'max-messages' | 'max-age' | 'replicas' | 'duplicate-window',
  read: (text: string) => number | undefined,
): number | undefined {
  const text = flags[name];
  if (text === undefined) return undefined;
  const value = read(text);
  if (value === undefined)
    throw new UsageError(`expected a value for --${name} as in --help, found "${text}"`);
  return value;
}

interface EditArguments {
  readonly topic: string;
  readonly wanted: WantedTopic;
  readonly json: boolean;
  readonly yes: boolean;
  readonly isDry: boolean;
}

async function editTopic(
  { topic, wanted, json, yes, isDry }: EditArguments,
  { connection, terminal, clock }: { connection: Connection; terminal: Terminal; clock: Clock },
): Promise<number> {
  const api = new JetStreamApi(connection);
  const now = topicNow(await readTopicStream(api, topic), connection.serverVersion);
  const plan = planTopicEdit(topic, now, wanted, clock.wallNow());
  const say = (state: string, text: string): void =>
    terminal.print(json ? jsonLine('topic-edit', { topic, state, ...plan }) : text);
  const lines = [
    ...plan.changes.map(({ option, from, to }) => `${option}: ${from} -> ${to}`),
    ...plan.loses.map((what) => `lost at once: ${what}; a group that has not handled them never will`),
    ...plan.notes,
  ].join('\n');
  if (plan.changes.length === 0) {
    say('unchanged', `topic "${topic}" is so already`);
    return 0;
  }
  if (isDry) {
    say('dry-run', lines);
    return 0;
  }
  if (!json) terminal.print(lines);
  if (plan.loses.length > 0 && !yes) {
    const typed = await terminal.ask(
      `About to lose ${plan.loses.join(', and ')}. Type the topic's name to continue: `,
    );
    if (typed !== topic)
      throw new UsageError('not confirmed; nothing was done (--yes continues without asking)');
  }
  await changeTopicStream(api, topic, configOf(wanted));
  say('changed', `topic "${topic}" is changed`);
  return 0;
}

function topicNow({ config, state }: StreamInfo, serverVersion: string): TopicNow {
  return {
    ...{ maxBytes: config.max_bytes, maxMessages: config.max_msgs, maxAgeMs: msOf(config.max_age) },
    ...{ replicas: config.num_replicas, duplicateWindowMs: msOf(config.duplicate_window) },
    ...{ discard: config.discard, storage: config.storage, schedules: config.allow_msg_schedules === true },
    ...{
      messages: state.messages,
      bytes: state.bytes,
      serverVersion,
      canSchedule: hasSchedules(serverVersion),
    },
    firstStoredAt: state.messages === 0 ? undefined : Date.parse(state.first_ts),
  };
}

function configOf({
  maxBytes,
  maxMessages,
  maxAgeMs,
  replicas,
  duplicateWindowMs,
  discard,
  schedules,
}: WantedTopic): Partial<StreamConfig> {
  return {
    ...(maxBytes === undefined ? {} : { max_bytes: maxBytes }),
    ...(maxMessages === undefined ? {} : { max_msgs: maxMessages }),
    ...(maxAgeMs === undefined ? {} : { max_age: nanosOf(maxAgeMs) }),
    ...(replicas === undefined ? {} : { num_replicas: replicas }),
    ...(duplicateWindowMs === undefined ? {} : { duplicate_window: nanosOf(duplicateWindowMs) }),
    ...(discard === undefined ? {} : { discard }),
    ...(schedules === undefined ? {} : { allow_msg_schedules: true }),
  };
}
