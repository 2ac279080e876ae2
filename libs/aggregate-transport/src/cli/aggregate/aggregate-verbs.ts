import { counted } from '../../counted.js';
import { AggregateTransportError } from '../../errors.js';
import type { Envelope } from '../../message/envelope.js';
import { newEventId } from '../../message/event-id.js';
import { tokenOf } from '../../message/subject.js';
import type { StoredMessage } from '../../message/stored-event.js';
import { type AggregatePlace, placesOf } from '../../operating/aggregates/aggregate-places.js';
import type { AggregatePorts } from '../../operating/aggregates/aggregate-ports.js';
import { AggregatePurge, type PurgePlan } from '../../operating/aggregates/purge-aggregate.js';
import type { Connection } from '../../stream/connection/connection.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { AggregateWire } from '../../stream/groups/aggregate-wire.js';
import type { Surroundings } from '../command/command.js';
import { tableOf } from '../command/table.js';
import { type Terminal, UsageError } from '../command/terminal.js';
import { jsonLine } from '../command/json-line.js';

/** What the command line says, beside the verb. */
export interface AggregateArguments {
  readonly topic: string;
  readonly aggregateId: string;
  readonly group: string | undefined;
  readonly payloads: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly yes: boolean;
  readonly waitMs: number;
}

/** What no purge reaches. */
export const NOT_REACHED =
  'not reached: backups and mirrors of the streams, logs, traces, and the databases of services';

export function aggregatePorts(
  { clock }: Pick<Surroundings, 'clock'>,
  connection: Connection,
  topic: string,
): AggregatePorts {
  return new AggregateWire({ connection, api: new JetStreamApi(connection), clock, topic });
}

/** The verbs of `aggregate-transport aggregate`. Resolves with the exit code: 0 done, 1 not done. */
export class AggregateVerbs {
  constructor(
    private readonly surroundings: Pick<Surroundings, 'terminal' | 'clock'>,
    private readonly connection: Connection,
  ) {}

  async show({ topic, aggregateId, group, payloads, json }: AggregateArguments): Promise<number> {
    const { terminal } = this.surroundings;
    const ports = aggregatePorts(this.surroundings, this.connection, topic);
    const token = tokenOf(aggregateId);
    // A topic that is not there is said to be so.
    await ports.stream();
    const sequences: number[] = [];
    const rows: string[][] = [];
    for await (const message of ports.history(token, 1)) {
      sequences.push(message.sequence);
      const event = eventOf(message, payloads);
      if (json) terminal.print(jsonLine('event', { topic, aggregateId, ...event }));
      else rows.push(rowOf(event));
    }
    const places = await placesOf(ports, token, { sequences, group });
    if (json) for (const place of places) terminal.print(jsonLine('place', { topic, ...place }));
    else this.#printShown(rows, places);
    return sequences.length + places.filter(({ letters }) => letters > 0).length === 0 ? 1 : 0;
  }

  async purge(args: AggregateArguments): Promise<number> {
    const { topic, aggregateId, dryRun, waitMs } = args;
    const { clock, terminal } = this.surroundings;
    const ports = aggregatePorts(this.surroundings, this.connection, topic);
    const parts = { clock, newId: () => newEventId(clock.wallNow()) };
    const purge = new AggregatePurge(ports, aggregateId, parts);
    const plan = await purge.plan();
    this.#say(args, { state: 'planned', ...plan }, describePlan(plan));
    if (dryRun) return 0;
    await confirm(terminal, args, plan);
    try {
      const purged = await purge.run({ waitMs });
      const since =
        purged.storedSince === 0 ? '' : `; ${counted(purged.storedSince, 'event')} stored since stay`;
      this.#say(
        args,
        { state: 'done', ...purged },
        `purged ${counted(purged.events, 'event')} and ${counted(purged.letters, 'letter')}, ` +
          `live again in ${counted(purged.markers, 'group')}${since}; ${NOT_REACHED}`,
      );
      return purged.storedSince === 0 ? 0 : 1;
    } catch (error) {
      if (!(error instanceof AggregateTransportError)) throw error;
      this.#say(args, { state: 'failed', code: error.code, error: error.message }, error.message);
      return 1;
    }
  }

  #printShown(rows: readonly string[][], places: readonly AggregatePlace[]): void {
    const { terminal } = this.surroundings;
    if (rows.length === 0) terminal.print('the stream holds no event of this aggregate');
    else terminal.print(tableOf(['SEQUENCE', 'STORED', 'TYPE', 'EVENT', 'PAYLOAD'], rows));
    if (places.length === 0) terminal.print('no group has started');
    else
      terminal.print(
        tableOf(
          ['GROUP', 'PARTITION', 'OWNER', 'SETTLED', 'WAITING', 'STATE', 'LETTERS', 'ERROR'],
          places.map(placeRow),
        ),
      );
  }

  #say({ topic, aggregateId, json }: AggregateArguments, value: object, text: string): void {
    const line = json
      ? jsonLine('purge', { topic, aggregateId, ...value })
      : `${topic} ${aggregateId}: ${text}`;
    this.surroundings.terminal.print(line);
  }
}

interface ShownEvent {
  readonly sequence: number;
  readonly storedAt: string;
  readonly type: string | undefined;
  readonly eventId: string | undefined;
  readonly payload?: unknown;
}

function eventOf({ sequence, storedAt, body }: StoredMessage, withPayload: boolean): ShownEvent {
  const { event_type: type, event_id: eventId, payload } = envelopeOf(Buffer.from(body).toString('utf8'));
  return { sequence, storedAt, type, eventId, ...(withPayload ? { payload } : {}) };
}

/** Of another codec: the bytes stand for the payload, and the type is not known. */
function envelopeOf(text: string): Partial<Envelope> {
  try {
    return JSON.parse(text) as Partial<Envelope>;
  } catch {
    return { payload: text };
  }
}

function rowOf({ sequence, storedAt, type, eventId, payload }: ShownEvent): string[] {
  return [
    String(sequence),
    storedAt,
    type ?? '-',
    eventId ?? '-',
    payload === undefined ? '' : JSON.stringify(payload),
  ];
}

function placeRow(place: AggregatePlace): string[] {
  const { group, partition, owner, settledThrough, waiting, firstWaiting, parked, letters } = place;
  const left = parked?.replay === undefined ? '' : ` ${parked.replay.from} to ${parked.replay.to}`;
  return [
    group,
    String(partition),
    owner === undefined ? '-' : `${owner.owner}${owner.isAlive ? '' : ' (gone)'}`,
    String(settledThrough),
    waiting === 0 ? '0' : `${waiting} from ${firstWaiting ?? 0}`,
    parked === undefined ? 'live' : `${parked.state}${left}`,
    String(letters),
    parked?.error ?? '',
  ];
}

function describePlan({ events, letters, places }: PurgePlan): string {
  const parked = places.filter((place) => place.parked !== undefined).map(({ group }) => group);
  const open = places
    .filter(({ waiting }) => waiting > 0)
    .map(({ group, waiting }) => `${group} (${waiting})`);
  const groups = letters.map(({ group, count }) => `${group} ${count}`).join(', ');
  return (
    `${counted(events, 'event')} in the stream; letters: ${groups === '' ? 'none' : groups}; ` +
    `parked in: ${parked.length === 0 ? 'none' : parked.join(', ')}; ` +
    `not handled yet in: ${open.length === 0 ? 'none' : open.join(', ')}; ${NOT_REACHED}`
  );
}

async function confirm(
  terminal: Terminal,
  { aggregateId, yes }: AggregateArguments,
  { events, letters }: PurgePlan,
): Promise<void> {
  if (yes) return;
  const count = letters.reduce((sum, one) => sum + one.count, 0);
  const typed = await terminal.ask(
    `About to remove ${counted(events, 'event')} and ${counted(count, 'letter')} of aggregate "${aggregateId}" for ` +
      'good, in every group. Type its id to continue: ',
  );
  if (typed !== aggregateId)
    throw new UsageError('not confirmed; nothing was done (--yes continues without asking)');
}
