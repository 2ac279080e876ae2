import { randomInt } from 'node:crypto';
import { checkName } from '../../message/topic.js';
import { withCredentialsOfAddresses } from '../../stream/connection/server-address.js';
import { GROUP, RANGES, TOPIC_PREFIX, type VerifySettings } from '../../verifying/settings.js';
import { accessOf } from '../access/connection-options.js';
import { ACCESS_FLAGS, type AccessFlags } from '../command/access-flags.js';
import { defineCommand } from '../command/command.js';
import { UsageError } from '../command/terminal.js';
import { numberOf, partitionsOf, understood } from '../command/values.js';
import { cleanUp } from './clean.js';
import { proxiedServers } from './proxied-servers.js';
import { runVerify, Stopped } from './run-verify.js';

const FLAGS = {
  topic: 'string',
  events: 'string',
  aggregates: 'string',
  seconds: 'string',
  replicas: 'string',
  partitions: 'string',
  copies: 'string',
  handlers: 'string',
  seed: 'string',
  keep: 'boolean',
  clean: 'boolean',
  yes: 'boolean',
} as const;

type VerifyFlags = {
  readonly [K in keyof typeof FLAGS]?: (typeof FLAGS)[K] extends 'string' ? string : boolean;
};

const MAX_SEED = 2_147_483_647;
const NAME_DIGITS = 6;

export const verifyCommand = defineCommand({
  name: 'verify',
  flags: FLAGS,
  words: 0,
  help: [
    ['[--topic NAME]', 'proves order on your server, with processes and streams of its own'],
    ['[--events N] [--aggregates N] [--seconds N]', 'how much, and how long there are faults'],
    ['[--replicas N] [--partitions N] [--copies N]', 'processes that handle, and copies of each stream'],
    ['[--handlers dist/handlers.js]', 'through your own handlers'],
    ['[--seed N] [--keep]', 'the same faults again; keep streams and journals'],
    ['[--clean [--topic NAME] [--yes]]', 'removes what runs have left that were killed'],
  ],
  prepare({ flags }, { terminal, clock, connected }) {
    const json = flags.json === true;
    const topic = topicOf(flags.topic);
    if (flags.clean === true) {
      const args = { topic, json, yes: flags.yes === true };
      return () => connected((connection) => cleanUp(args, connection, { terminal, clock }));
    }
    const settings = settingsOf(flags, topic);
    const copies = flags.copies === undefined ? undefined : copiesOf(flags.copies);
    const handlers = flags.handlers === undefined ? undefined : { file: flags.handlers, topic: flags.topic };
    const access = accessFlagsOf(flags);
    return async () => {
      const options = withCredentialsOfAddresses((await accessOf(access)).connection);
      const servers = proxiedServers([options.servers ?? []].flat());
      const isTls = options.tls !== undefined;
      const args = { settings, handlers, copies, json, keep: flags.keep === true, access, servers, isTls };
      return connected((connection) =>
        untilStopped((signal) => runVerify(args, connection, { terminal, clock, signal })),
      );
    };
  },
});

/** @throws UsageError */
function settingsOf(flags: VerifyFlags, topic: string | undefined): VerifySettings {
  const count = (name: keyof typeof RANGES): number => whole(name, numberOf(name, flags[name], RANGES[name]));
  const partitions = partitionsOf(flags.partitions);
  const seed = numberOf('seed', flags.seed, { otherwise: randomInt(1, MAX_SEED), least: 1, most: MAX_SEED });
  return {
    topic: topic ?? TOPIC_PREFIX + String(randomInt(10 ** (NAME_DIGITS - 1), 10 ** NAME_DIGITS)),
    group: GROUP,
    events: count('events'),
    aggregates: count('aggregates'),
    seconds: count('seconds'),
    replicas: count('replicas'),
    partitions: partitions === undefined ? RANGES.partitions.otherwise : count('partitions'),
    seed: whole('seed', seed),
  };
}

function whole(name: string, value: number): number {
  if (Number.isInteger(value)) return value;
  throw new UsageError(`expected --${name} to be a whole number, found ${value}`);
}

/** @throws UsageError */
function topicOf(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const topic = TOPIC_PREFIX + name;
  understood(() => checkName('topic', topic));
  if (/_(?:positions|parked)$/.test(topic))
    throw new UsageError(`expected --topic not to end in _positions or _parked, found "${name}"`);
  return topic;
}

/** @throws UsageError */
function copiesOf(text: string): number {
  const copies = Number(text);
  if ([1, 3, 5].includes(copies)) return copies;
  throw new UsageError(`expected --copies to be 1, 3 or 5, found "${text}"`);
}

/** What the processes of a run need to find their server. */
function accessFlagsOf(flags: AccessFlags): AccessFlags {
  const given = Object.entries(flags).filter(([name]) => name in ACCESS_FLAGS);
  return Object.fromEntries(given);
}

/** The first signal ends the run in order; while that is under way, further ones change nothing. */
async function untilStopped(run: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const stop = new AbortController();
  const onInterrupt = (): void => stop.abort(new Stopped('SIGINT', 130));
  const onTerminate = (): void => stop.abort(new Stopped('SIGTERM', 143));
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  try {
    return await run(stop.signal);
  } finally {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onTerminate);
  }
}
