import { setTimeout as delay } from 'node:timers/promises';
import type { AggregateTransportOptions } from 'nestjs-aggregate-transport';
import type { AddOnSurroundings } from 'nestjs-aggregate-transport/operating';
import type { Database } from '../database/database.js';
import { runRelay } from '../nest/run-relay.js';
import { OutboxCommands, type StoppedAddress } from '../relay/operating/outbox-commands.js';
import { OutboxLooks, type StoppedAggregate } from '../relay/operating/outbox-looks.js';
import { accessIn, namesOf, shardsOf, topicsOf, urlOf, type Values, waitOf } from './arguments.js';
import { confirm, connected } from './connected.js';
import { type Terminal, UsageError } from './terminal.js';
import { jsonLine } from './json-line.js';

const MOST_LISTED = 100_000;
const ASK_EVERY_MS = 100;
const LEAVE_WITHIN_MS = 500;
const RETRY = 'npx aggregate-transport outbox retry --topic TOPIC AGGREGATE, or --all';

const VERBS = ['retry', 'skip', 'discard'] as const;

type Verb = (typeof VERBS)[number];

/** What each verb loses. */
const LOSSES: Readonly<Record<Verb, ((address: StoppedAddress) => string) | undefined>> = {
  retry: undefined,
  skip: ({ aggregateId }) => `the refused event of "${aggregateId}" is deleted and never published`,
  discard: ({ aggregateId }) => `all waiting events of "${aggregateId}" are deleted and never published`,
};

/** The commands of `aggregate-transport outbox`. Resolves with the exit code: 0 done, 1 not done. */
export async function runOutboxCommand(
  words: readonly string[],
  values: Values,
  { terminal, surroundings }: { readonly terminal: Terminal; readonly surroundings: AddOnSurroundings },
): Promise<number> {
  const [verb = '', aggregateId] = words;
  if (verb === 'relay') return relay(values, terminal, surroundings);
  if (verb === 'list') return connected(values, (database) => list(database, values, terminal));
  const known = VERBS.find((one) => one === verb);
  if (known === undefined) throw new UsageError(`unknown command "outbox ${verb}"; see --help`);
  if (known === 'retry' && values.all === true) {
    if (aggregateId !== undefined)
      throw new UsageError(`expected an aggregate or --all, found "${aggregateId}" and --all`);
    return connected(values, (database) => retryAll(database, values, terminal));
  }
  const [topic] = topicsOf(values);
  if (topic === undefined || aggregateId === undefined)
    throw new UsageError(`expected --topic and an aggregate after "outbox ${verb}"; see --help`);
  const address = { topic, aggregateId };
  const loss = LOSSES[known]?.(address);
  if (loss !== undefined) await confirm(loss, values, terminal);
  return connected(values, (database) => command(database, { verb: known, address, values, terminal }));
}

async function list(database: Database, values: Values, terminal: Terminal): Promise<number> {
  const looks = new OutboxLooks(database.run, namesOf(values));
  const stopped = await looks.stopped(topicsOf(values)[0], MOST_LISTED);
  if (values.json === true) for (const one of stopped) terminal.print(jsonLine('outbox-stopped', one));
  else if (stopped.length === 0) terminal.print('no aggregate is stopped');
  else {
    for (const one of stopped) terminal.print(lineOf(one));
    terminal.print(`correct the cause, then: ${RETRY}`);
  }
  return 0;
}

function lineOf({ topic, aggregateId, eventId, code, reason, since, isRetried }: StoppedAggregate): string {
  const state = isRetried ? 'is tried again' : `stopped since ${new Date(since).toISOString()}`;
  return `${topic}  ${aggregateId}  event ${eventId}  ${code}  ${state}\n    ${reason}`;
}

interface Command {
  readonly verb: Verb;
  readonly address: StoppedAddress;
  readonly values: Values;
  readonly terminal: Terminal;
}

async function command(database: Database, { verb, address, values, terminal }: Command): Promise<number> {
  const commands = new OutboxCommands(database, namesOf(values));
  const say = (outcome: string, text: string): void =>
    terminal.print(
      values.json === true ? jsonLine('outbox-command', { ...address, command: verb, outcome }) : text,
    );
  const name = `aggregate "${address.aggregateId}" of topic "${address.topic}"`;
  if (!(await commands[verb](address))) {
    say('not stopped', `${name} is not stopped; npx aggregate-transport outbox list tells which are`);
    return 1;
  }
  const until = Date.now() + waitOf(values);
  for (;;) {
    const state = await commands.state(address);
    if (state.kind === 'live') {
      say('live', `${name} is live again`);
      return 0;
    }
    if (state.kind === 'stopped') {
      const how = verb === 'skip' ? 'is stopped at its next event' : 'is stopped again';
      say('stopped', `${name} ${how}: ${state.code}: ${state.reason}; correct the cause, then: ${RETRY}`);
      return 1;
    }
    if (Date.now() > until) {
      say('asked', `${name}: no relay has finished it yet; it stays asked for`);
      return 1;
    }
    await delay(ASK_EVERY_MS);
  }
}

/** Asks for all of them, and does not wait. */
async function retryAll(database: Database, values: Values, terminal: Terminal): Promise<number> {
  const names = namesOf(values);
  const commands = new OutboxCommands(database, names);
  const stopped = await new OutboxLooks(database.run, names).stopped(topicsOf(values)[0], MOST_LISTED);
  for (const { topic, aggregateId } of stopped) await commands.retry({ topic, aggregateId });
  const text = `asked the relay to try ${stopped.length} aggregates again; outbox list tells which stay stopped`;
  terminal.print(values.json === true ? jsonLine('outbox-retry-all', { asked: stopped.length }) : text);
  return 0;
}

async function relay(
  values: Values,
  terminal: Terminal,
  { accessFlags, accessOf }: AddOnSurroundings,
): Promise<number> {
  const topics = topicsOf(values);
  if (topics.length === 0) throw new UsageError('expected --topic, once for each topic to relay; see --help');
  const names = namesOf(values);
  const connectionString = urlOf(values);
  const tables = tablesOf(values);
  // Before the relay has started a signal ends the process: nothing is on its way.
  const untilEnded = (): Promise<void> =>
    new Promise((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
  const running = runRelay(
    {
      transport: { ...(await accessOf(accessIn(values, accessFlags))), topics: verified(topics) },
      postgres: {
        ...{
          connectionString,
          schema: names.schema,
          tables,
          maxConnections: topics.length * shardsOf(values) + 2,
        },
        outbox: { topics, relay: true, shards: shardsOf(values) },
      },
      json: values.json === true,
    },
    untilEnded,
  );
  await running.catch(leave);
  terminal.print(
    values.json === true ? jsonLine('outbox-relay', { outcome: 'ended' }) : 'the relay has ended',
  );
  return 0;
}

/** A start that has failed leaves what it had opened, and that would keep a process alive which does nothing. */
function leave(error: unknown): never {
  setTimeout(() => process.exit(1), LEAVE_WITHIN_MS).unref();
  throw error;
}

function tablesOf({ table = [] }: Values): Record<string, string> {
  return Object.fromEntries(table.map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string]));
}

/** The service that publishes a topic has made its stream. */
function verified(topics: readonly string[]): AggregateTransportOptions['topics'] {
  const topic = { stream: { provision: 'verify' as const } };
  return Object.fromEntries(topics.map((name) => [name, topic]));
}
