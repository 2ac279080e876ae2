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
import { numberOf, parse, USAGE, type Values } from './arguments.js';
import { GroupResetCommand } from './group-reset.js';
import { type ParkedArguments, ParkedVerbs } from './parked.js';
import { type ChangeCommandOptions, RepartitionCommand } from './repartition.js';
import { StatusCommand } from './status.js';
import { type Terminal, UsageError } from './terminal.js';

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
  const { values, positionals } = parse();
  const [area, verb] = positionals;
  if (values.help === true || area === undefined) {
    terminal.print(USAGE);
    return 0;
  }
  if (area === 'status' && verb === undefined)
    return connected(values, (connection) => status(values, connection));
  if (area === 'repartition')
    return connected(values, (connection) => repartition(values, connection, positionals));
  if (area === 'group' && verb === 'reset')
    return connected(values, (connection) => resetGroup(values, connection, positionals));
  if (area !== 'parked' || verb === undefined || !isVerb(verb))
    throw new UsageError(`unknown command\n\n${USAGE}`);
  return connected(values, (connection) => parked(values, { connection, verb, aggregateId: positionals[2] }));
}

function status(values: Values, connection: Connection): Promise<number> {
  const interval = numberOf('interval', values.interval, 1_000);
  const end = new AbortController();
  process.once('SIGINT', () => end.abort());
  const args = {
    topic: values.topic,
    group: values.group,
    json: values.json === true,
    everyMs: values.watch === true ? Math.min(60_000, Math.max(500, interval)) : undefined,
  };
  return new StatusCommand(connection, terminal, systemClock).run(args, end.signal);
}

function repartition(
  values: Values,
  connection: Connection,
  [, topic, group, count]: readonly string[],
): Promise<number> {
  return new RepartitionCommand(changeOptions(connection)).run({
    topic: topic ?? values.topic,
    group: group ?? values.group,
    partitions: count === undefined ? undefined : Number(count),
    ...changeFlags(values),
  });
}

function resetGroup(
  values: Values,
  connection: Connection,
  [, , topic, group, toValue]: readonly string[],
): Promise<number> {
  return new GroupResetCommand(changeOptions(connection)).run({
    topic: topic ?? values.topic,
    group: group ?? values.group,
    to: values.to,
    toValue,
    partitions: values.partitions === undefined ? undefined : Number(values.partitions),
    id: values.id,
    dryRun: values['dry-run'] === true,
    ...changeFlags(values),
  });
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
    waitMs: numberOf('wait', values.wait, 600_000),
  };
}

function changeOptions(connection: Connection): ChangeCommandOptions {
  const owner = `cli-${newEventId(systemClock.wallNow())}`;
  return { ports: portsOver(connection), terminal, clock: systemClock, owner };
}

interface ParkedCall {
  readonly connection: Connection;
  readonly verb: Verb;
  readonly aggregateId: string | undefined;
}

function parked(values: Values, { connection, verb, aggregateId }: ParkedCall): Promise<number> {
  const args: ParkedArguments = {
    topic: values.topic,
    group: values.group,
    aggregateId,
    reason: values.reason,
    all: values.all === true,
    json: values.json === true,
    yes: values.yes === true,
    waitMs: numberOf('wait', values.wait, 30_000),
    ratePerSecond: numberOf('rate', values.rate, 20),
  };
  return new ParkedVerbs(connection, terminal)[verb](args);
}

async function connected(values: Values, use: (connection: Connection) => Promise<number>): Promise<number> {
  const servers = values.server ?? values.servers ?? process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222';
  const credentials =
    values.creds === undefined ? {} : { authenticator: credsAuthenticator(await readFile(values.creds)) };
  const options = withCredentialsOfAddresses({ servers, ...credentials });
  const connection = await Connection.open(options, 'aggregate-transport-cli', silentLog);
  try {
    return await use(connection);
  } finally {
    await connection.close();
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
    process.stderr.write(`${error instanceof UsageError ? error.message : describeError(error)}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
