import { systemClock } from '../../clock.js';
import { describeError } from '../../errors.js';
import type { Envelope } from '../../message/envelope.js';
import { newEventId } from '../../message/event-id.js';
import { aggregateIdOf } from '../../message/subject.js';
import { namedSpanIn } from '../../traceparent.js';
import {
  beginPaced,
  type CommandResult,
  ParkedCommands,
} from '../../operating/commands/operator-commands.js';
import { letterSummaryOf, summaryOf } from '../../operating/commands/parked-summary.js';
import { type Letter, traceIdsOf } from '../../records/letter.js';
import type { ParkedCommandKind, StoredMarker } from '../../records/marker.js';
import { findParked } from '../../operating/letters/find-parked.js';
import type { LetterFilter } from '../../operating/letters/letter-filter.js';
import type { Connection } from '../../stream/connection/connection.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { groupsWithParked, ParkedWire } from '../../stream/wires/parked-wire.js';
import { ageOf, tableOf } from '../command/table.js';
import { type Terminal, UsageError } from '../command/terminal.js';
import { jsonLine } from '../command/json-line.js';

/** The bit of a trace's flags that says that it is recorded. */
const SAMPLED = 1;

/** What the command line says, beside the verb. */
export interface ParkedArguments {
  readonly topic: string | undefined;
  readonly group: string | undefined;
  readonly aggregateId: string | undefined;
  readonly filters: readonly LetterFilter[];
  readonly all: boolean;
  readonly json: boolean;
  readonly yes: boolean;
  readonly waitMs: number;
  readonly ratePerSecond: number;
}

type Found = StoredMarker & { topic: string; group: string; letters: number };

/** The verbs of `aggregate-transport parked`. Resolves with the exit code: 0 done, 1 not done. */
export class ParkedVerbs {
  constructor(
    private readonly connection: Connection,
    private readonly terminal: Terminal,
  ) {}

  async list(args: ParkedArguments): Promise<number> {
    const found = await this.#find(args);
    if (args.json) {
      for (const parked of found) {
        const { topic, group } = parked;
        this.terminal.print(jsonLine('parked', { topic, group, ...summaryOf(parked) }));
      }
      return 0;
    }
    if (found.length === 0) {
      this.terminal.print('no aggregate is parked');
      return 0;
    }
    const now = systemClock.wallNow();
    const rows = found.map(({ topic, group, token, letters, marker }) => [
      topic,
      group,
      aggregateIdOf(token),
      marker.state,
      marker.reason,
      String(letters),
      ageOf(marker.since, now),
      marker.error,
    ]);
    this.terminal.print(
      tableOf(['TOPIC', 'GROUP', 'AGGREGATE', 'STATE', 'REASON', 'LETTERS', 'SINCE', 'ERROR'], rows),
    );
    return 0;
  }

  async show(args: ParkedArguments): Promise<number> {
    const { topic, group, aggregateId } = addressOf(args);
    const letters: Letter[] = [];
    for await (const letter of this.#commands(topic, group).letters(aggregateId)) letters.push(letter);
    if (args.json) {
      for (const letter of letters) {
        const shown = { ...letterSummaryOf(letter), body: textOf(letter.body) };
        this.terminal.print(jsonLine('letter', { topic, group, ...shown }));
      }
    } else if (letters.length === 0) this.terminal.print(`aggregate "${aggregateId}" has no letter`);
    else {
      const rows = letters.map((letter) => [
        String(letter.note.sequence),
        new Date(letter.note.storedAt).toISOString(),
        letter.note.reason ?? '',
        whyShown(letter.note),
        traceShown(letter),
        sayEvent(letter.body),
      ]);
      this.terminal.print(tableOf(['SEQUENCE', 'STORED', 'REASON', 'ERROR', 'TRACE', 'EVENT'], rows, 100));
    }
    return letters.length === 0 ? 1 : 0;
  }

  async retry(args: ParkedArguments): Promise<number> {
    if (!args.all) return this.#command(args, 'retry');
    let failed = 0;
    const found = await this.#find(args);
    if (found.length === 0 && !args.json) this.terminal.print('no parked aggregate fits; nothing was done');
    const pace = { ratePerSecond: args.ratePerSecond, clock: systemClock };
    await beginPaced(found, pace, async ({ topic, group, token }) => {
      const aggregateId = aggregateIdOf(token);
      if (!(await this.#carryOut({ ...args, topic, group, aggregateId }, 'retry'))) failed++;
    });
    return failed === 0 ? 0 : 1;
  }

  async skip(args: ParkedArguments): Promise<number> {
    await this.#confirm(args, 'drop the first letter of', 'A hole in its order stays.');
    return this.#command(args, 'skipHead');
  }

  async discard(args: ParkedArguments): Promise<number> {
    await this.#confirm(args, 'drop all letters of', 'They are lost to this group.');
    return this.#command(args, 'discard');
  }

  async #command(args: ParkedArguments, kind: ParkedCommandKind): Promise<number> {
    return (await this.#carryOut(args, kind)) ? 0 : 1;
  }

  async #carryOut(args: ParkedArguments, kind: ParkedCommandKind): Promise<boolean> {
    const { topic, group, aggregateId } = addressOf(args);
    let result: CommandResult | { outcome: 'error'; error: string };
    try {
      result = await this.#commands(topic, group).command(aggregateId, kind, args.waitMs);
    } catch (error) {
      result = { outcome: 'error', error: describeError(error) };
    }
    if (args.json)
      this.terminal.print(
        jsonLine('aggregate-command', { topic, group, aggregateId, command: kind, ...result }),
      );
    else this.terminal.print(`${topic} ${group} ${aggregateId}: ${sayResult(result)}`);
    return result.outcome === 'unparked' || (result.outcome === 'parked' && kind === 'skipHead');
  }

  async #confirm(args: ParkedArguments, what: string, consequence: string): Promise<void> {
    const { aggregateId } = addressOf(args);
    if (args.yes) return;
    const typed = await this.terminal.ask(
      `About to ${what} aggregate "${aggregateId}". ${consequence} Type its id to continue: `,
    );
    if (typed !== aggregateId)
      throw new UsageError('not confirmed; nothing was done (--yes continues without asking)');
  }

  async #find({ topic, group, filters }: ParkedArguments): Promise<Found[]> {
    const pairs = await groupsWithParked(new JetStreamApi(this.connection));
    const found: Found[] = [];
    for (const pair of pairs) {
      if ((topic ?? pair.topic) !== pair.topic || (group ?? pair.group) !== pair.group) continue;
      const commands = this.#commands(pair.topic, pair.group);
      for (const parked of await findParked(commands, filters, typeOf)) found.push({ ...parked, ...pair });
    }
    return found;
  }

  #commands(topic: string, group: string): ParkedCommands {
    const api = new JetStreamApi(this.connection);
    return new ParkedCommands({
      name: `topic "${topic}", group "${group}"`,
      port: new ParkedWire({ connection: this.connection, api, clock: systemClock, topic, group, bits: '' }),
      clock: systemClock,
      newId: () => newEventId(systemClock.wallNow()),
    });
  }
}

/** @throws UsageError */
function addressOf({ topic, group, aggregateId }: ParkedArguments): {
  topic: string;
  group: string;
  aggregateId: string;
} {
  if (topic !== undefined && group !== undefined && aggregateId !== undefined)
    return { topic, group, aggregateId };
  throw new UsageError('expected TOPIC/GROUP/AGGREGATE, or --topic, --group and an aggregate id');
}

/** Of an edit, what it is about; of other letters, the error. */
function whyShown({ error, edit, replacedBy }: Letter['note']): string {
  if (replacedBy !== undefined) return `replaced by edit ${replacedBy}`;
  if (edit === undefined) return error ?? '';
  return `edit ${edit.id}${edit.comment === undefined ? '' : `: ${edit.comment}`}`;
}

/** The trace of the attempt that failed, if it was recorded; else that of the event. */
function traceShown(letter: Letter): string {
  const { traceId = '', attemptTraceId = traceId } = traceIdsOf(letter);
  const isRecorded = ((namedSpanIn(letter.note.trace)?.traceFlags ?? 0) & SAMPLED) !== 0;
  return isRecorded || traceId === '' ? attemptTraceId : traceId;
}

/** With the default codec; another one is not known here. */
function typeOf({ body }: Letter): string | undefined {
  try {
    return (JSON.parse(textOf(body)) as Partial<Envelope>).event_type;
  } catch {
    return undefined;
  }
}

/** Type and payload; the bytes as text if they are no envelope. */
function sayEvent(body: Uint8Array): string {
  const text = textOf(body);
  try {
    const { event_type: type, payload } = JSON.parse(text) as Partial<Envelope>;
    return type === undefined ? text : `${type} ${JSON.stringify(payload)}`;
  } catch {
    return text;
  }
}

function sayResult(result: CommandResult | { outcome: 'error'; error: string }): string {
  switch (result.outcome) {
    case 'unparked':
      return 'live again';
    case 'parked':
      return 'done; letters are left, it stays parked';
    case 'running':
      return 'its owner is still at it';
    case 'failed':
      return `failed again, it stays parked: ${result.error}`;
    case 'error':
      return result.error;
  }
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body).toString('utf8');
}
