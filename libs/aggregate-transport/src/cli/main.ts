#!/usr/bin/env node
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { credsAuthenticator } from 'nats';
import { readFile } from 'node:fs/promises';
import { systemClock } from '../clock.js';
import type { LeaseRecord } from '../records/lease-record.js';
import type { RepartitionPorts } from '../consumer/repartition/repartition.js';
import type { SuspectRecord } from '../consumer/handling/suspects.js';
import { describeError } from '../errors.js';
import { silentLog } from '../log.js';
import { Connection } from '../stream/api/connection.js';
import { JetStreamApi } from '../stream/api/jetstream-api.js';
import { RepartitionWire } from '../stream/groups/layout-wire.js';
import { type ParkedArguments, ParkedVerbs } from './parked.js';
import { RepartitionCommand } from './repartition.js';
import { StatusCommand } from './status.js';
import { type Terminal, UsageError } from './terminal.js';

const USAGE = `Usage: aggregate-transport <command> [options]

  status  [--topic T] [--group G]                  each partition: owner, epoch, lag, parked
          [--watch [--interval MS]]                again and again, every 1000 ms (500 to 60000)

  parked list                                      what is parked, and why
  parked show    --topic T --group G AGGREGATE     its letters
  parked retry   --topic T --group G AGGREGATE     handle its letters again, in order
  parked retry   --all [--topic T] [--group G] [--reason R] [--rate N]   (N begun per second, 20)
  parked skip    --topic T --group G AGGREGATE     drop its first letter
  parked discard --topic T --group G AGGREGATE     drop all its letters

  repartition TOPIC GROUP N                        change the group's number of partitions; again: go on
  repartition TOPIC GROUP --resume                 go on with the change that is under way
  repartition TOPIC GROUP --cancel                 call it off; the group keeps the partitions it has

  --server URL    or --servers; default: NATS_URL, else nats://127.0.0.1:4222
  --creds FILE    credentials of the NATS user
  --wait MS       how long to wait for the owner's answer, default 30000; for a repartition, default 600000
  --json          one JSON value per line instead of tables
  --yes           do not ask before something is dropped, or the group is drained

Exit code: 0 done, 1 not done, 2 not understood or not confirmed.`;

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
  if (area !== 'parked' || verb === undefined || !isVerb(verb))
    throw new UsageError(`unknown command\n\n${USAGE}`);
  return connected(values, (connection) => parked(values, { connection, verb, aggregateId: positionals[2] }));
}

type Values = ReturnType<typeof parse>['values'];

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
  return new RepartitionCommand({ ports: portsOver(connection), terminal, clock: systemClock }).run({
    topic: topic ?? values.topic,
    group: group ?? values.group,
    partitions: count === undefined ? undefined : Number(count),
    cancel: values.cancel === true,
    resume: values.resume === true,
    json: values.json === true,
    yes: values.yes === true,
    waitMs: numberOf('wait', values.wait, 600_000),
  });
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
  const connection = await Connection.open({ servers, ...credentials }, 'aggregate-transport-cli', silentLog);
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

function portsOver(connection: Connection): (topic: string, group: string) => RepartitionPorts {
  const api = new JetStreamApi(connection);
  return (topic, group) => new RepartitionWire<LeaseRecord, SuspectRecord>({ connection, api, topic, group });
}

const VERBS = ['list', 'show', 'retry', 'skip', 'discard'] as const;

type Verb = (typeof VERBS)[number];

function isVerb(verb: string): verb is Verb {
  return (VERBS as readonly string[]).includes(verb);
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        topic: { type: 'string' },
        group: { type: 'string' },
        reason: { type: 'string' },
        server: { type: 'string' },
        servers: { type: 'string' },
        interval: { type: 'string' },
        watch: { type: 'boolean' },
        creds: { type: 'string' },
        wait: { type: 'string' },
        rate: { type: 'string' },
        all: { type: 'boolean' },
        cancel: { type: 'boolean' },
        resume: { type: 'boolean' },
        json: { type: 'boolean' },
        yes: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function numberOf(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`expected --${name} to be a number above 0, found "${text ?? ''}"`);
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
