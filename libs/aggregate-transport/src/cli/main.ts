#!/usr/bin/env node
import { createInterface } from 'node:readline/promises';
import { credsAuthenticator } from 'nats';
import { readFile } from 'node:fs/promises';
import { systemClock } from '../clock.js';
import type { RepartitionPorts } from '../consumer/repartition/repartition-ports.js';
import { describeError } from '../errors.js';
import { silentLog } from '../log.js';
import { newEventId } from '../message/event-id.js';
import { Connection } from '../stream/connection/connection.js';
import { JetStreamApi } from '../stream/api/jetstream-api.js';
import { withCredentialsOfAddresses } from '../stream/connection/server-address.js';
import { LayoutWire } from '../stream/groups/layout-wire.js';
import { loadAddOn, packageOf } from './add-on.js';
import { checkUse, numberOf, parse, partitionsOf, USAGE, type Values } from './arguments.js';
import { GroupResetCommand } from './group-reset.js';
import { addressOf, type ParkedArguments, ParkedVerbs } from './parked.js';
import { type ChangeCommandOptions, RepartitionCommand } from './repartition.js';
import { StatusCommand } from './status.js';
import { isUsageError, type Terminal, UsageError } from './terminal.js';

const terminal: Terminal = {
  print: (text) => void process.stdout.write(`${text}\n`),
  async ask(question) {
    if (!process.stdin.isTTY) return undefined;
    const prompt = createInterface({ input: process.stdin, output: process.stderr });
    const typed = await prompt.question(question);
    prompt.close();
    return typed;
  },
};

async function run(): Promise<number> {
  const [first, ...others] = process.argv.slice(2);
  if (packageOf(first) !== undefined && first !== undefined)
    return (await loadAddOn(first)).run(first, others, terminal);
  const { values, positionals } = parse();
  const [area] = positionals;
  if (values.help === true || area === undefined) {
    terminal.print(USAGE);
    return 0;
  }
  checkUse(area, values, positionals);
  // Everything is understood before a server is asked.
  const command = commandOf(area, values, positionals);
  return connected(values, command);
}

type Command = (connection: Connection) => Promise<number>;

/** @throws UsageError */
function commandOf(area: string, values: Values, words: readonly string[]): Command {
  const [, verb] = words;
  if (area === 'status') return statusOf(values);
  if (area === 'repartition') return repartitionOf(values, words);
  if (area === 'group' && verb === 'reset') return resetOf(values, words);
  if (area === 'parked' && verb !== undefined && isVerb(verb)) return parkedOf(values, verb, words[2]);
  throw new UsageError(`${notUnderstood(area, verb)}\n\n${USAGE}`);
}

function notUnderstood(area: string, verb: string | undefined): string {
  const known = { parked: VERBS.join(', '), group: 'reset' }[area];
  if (known === undefined) return `unknown command "${[area, verb].filter(Boolean).join(' ')}"`;
  return `expected one of ${known} after "${area}", found ${verb === undefined ? 'nothing' : `"${verb}"`}`;
}

function statusOf(values: Values): Command {
  const everyMs = numberOf('interval', values.interval, { otherwise: 1_000, least: 500, most: 60_000 });
  const args = {
    topic: values.topic,
    group: values.group,
    json: values.json === true,
    everyMs: values.watch === true ? everyMs : undefined,
  };
  return (connection) => {
    const end = new AbortController();
    process.once('SIGINT', () => end.abort());
    return new StatusCommand(connection, terminal, systemClock).run(args, end.signal);
  };
}

function repartitionOf(values: Values, [, topic, group, count]: readonly string[]): Command {
  const args = {
    ...namesOf(topic ?? values.topic, group ?? values.group),
    partitions: partitionsOf(count),
    ...changeFlags(values),
  };
  return (connection) => new RepartitionCommand(changeOptions(connection)).run(args);
}

function resetOf(values: Values, [, , topic, group, toValue]: readonly string[]): Command {
  const args = {
    ...namesOf(topic ?? values.topic, group ?? values.group),
    to: values.to,
    toValue,
    partitions: partitionsOf(values.partitions),
    id: values.id,
    dryRun: values['dry-run'] === true,
    ...changeFlags(values),
  };
  return (connection) => new GroupResetCommand(changeOptions(connection)).run(args);
}

function namesOf(topic: string | undefined, group: string | undefined): { topic: string; group: string } {
  if (topic !== undefined && group !== undefined) return { topic, group };
  throw new UsageError('expected a topic and a group');
}

/** What all commands that change a group's layout understand. */
function changeFlags(values: Values): {
  cancel: boolean;
  resume: boolean;
  json: boolean;
  yes: boolean;
  waitMs: number;
} {
  return {
    cancel: values.cancel === true,
    resume: values.resume === true,
    json: values.json === true,
    yes: values.yes === true,
    waitMs: numberOf('wait', values.wait, { otherwise: 600_000 }),
  };
}

function changeOptions(connection: Connection): ChangeCommandOptions {
  const owner = `cli-${newEventId(systemClock.wallNow())}`;
  return { ports: portsOver(connection), terminal, clock: systemClock, owner };
}

function parkedOf(values: Values, verb: Verb, aggregateId: string | undefined): Command {
  const args: ParkedArguments = {
    topic: values.topic,
    group: values.group,
    aggregateId,
    reason: values.reason,
    all: values.all === true,
    json: values.json === true,
    yes: values.yes === true,
    waitMs: numberOf('wait', values.wait, { otherwise: 30_000 }),
    ratePerSecond: numberOf('rate', values.rate, { otherwise: 20 }),
  };
  const isForMany = verb === 'list' || (verb === 'retry' && args.all);
  if (!isForMany) addressOf(args);
  return (connection) => new ParkedVerbs(connection, terminal)[verb](args);
}

async function connected(values: Values, use: (connection: Connection) => Promise<number>): Promise<number> {
  const servers = values.server ?? values.servers ?? process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222';
  const credentials =
    values.creds === undefined
      ? {}
      : { authenticator: credsAuthenticator(await readCredentials(values.creds)) };
  const options = withCredentialsOfAddresses({ servers, ...credentials });
  const connection = await Connection.open(options, 'aggregate-transport-cli', silentLog, { mayWait: false });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

async function readCredentials(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new UsageError(`expected --creds to name a file that can be read, found ${describeError(error)}`);
  }
}

function portsOver(connection: Connection): (topic: string, group: string) => RepartitionPorts {
  const api = new JetStreamApi(connection);
  return (topic, group) => new LayoutWire({ connection, api }, { topic, group });
}

const VERBS = ['list', 'show', 'retry', 'skip', 'discard'] as const;

type Verb = (typeof VERBS)[number];

function isVerb(verb: string): verb is Verb {
  return (VERBS as readonly string[]).includes(verb);
}

run().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${isUsageError(error) ? error.message : describeError(error)}\n`);
    process.exitCode = isUsageError(error) ? 2 : 1;
  },
);
