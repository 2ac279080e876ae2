import { type Clock, delay } from '../../clock.js';
import { AggregateTransportError, describeError } from '../../errors.js';
import { readStatus, type StatusRow } from '../../operating/groups/status-rows.js';
import type { Connection } from '../../stream/connection/connection.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { OperatedServerWire } from '../../stream/operating/topic-wire.js';
import { ageOf, tableOf } from '../command/table.js';
import type { Terminal } from '../command/terminal.js';
import { jsonLine } from '../command/json-line.js';

export interface StatusArguments {
  readonly topic: string | undefined;
  readonly group: string | undefined;
  readonly json: boolean;
  /** Milliseconds between two looks; undefined: look once. */
  readonly everyMs: number | undefined;
}

/** `aggregate-transport status`: all partitions of all groups, from the server alone. */
export class StatusCommand {
  readonly #server: OperatedServerWire;

  constructor(
    connection: Connection,
    private readonly terminal: Pick<Terminal, 'print'>,
    private readonly clock: Clock,
  ) {
    this.#server = new OperatedServerWire({ connection, api: new JetStreamApi(connection) }, clock);
  }

  /** Resolves with the exit code, when it has looked once, or when `signal` ends the watch. */
  async run(args: StatusArguments, signal: AbortSignal): Promise<number> {
    if (args.everyMs === undefined) {
      const rows = await this.#asked(args);
      this.#print(rows, args);
      return args.group !== undefined && rows.some(({ missing }) => missing !== undefined) ? 1 : 0;
    }
    const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    while (!signal.aborted) {
      try {
        this.#print(await this.#asked(args), args);
      } catch (error) {
        // A server that is away may come back, and an operator who watches wants to see that.
        this.terminal.print(describeError(error));
      }
      await Promise.race([delay(this.clock, args.everyMs), ended]);
    }
    return 0;
  }

  /** @throws GROUP_UNKNOWN if a group was named that the server does not know */
  async #asked(args: StatusArguments): Promise<StatusRow[]> {
    const rows = await this.rows(args);
    const { topic, group } = args;
    if (group === undefined || rows.length > 0) return rows;
    const where = topic === undefined ? '' : ` on topic "${topic}"`;
    throw new AggregateTransportError(
      'GROUP_UNKNOWN',
      `expected group "${group}"${where} to have started, found no record and no lease of it; check the names`,
    );
  }

  /** @throws JETSTREAM_REQUEST_FAILED */
  async rows({ topic, group }: Pick<StatusArguments, 'topic' | 'group'>): Promise<StatusRow[]> {
    const topics = topic === undefined ? await this.#server.topics() : [topic];
    const rows: StatusRow[] = [];
    for (const name of topics)
      rows.push(...(await readStatus((await this.#server.topic(name)).status, group, this.clock)));
    return rows;
  }

  #print(rows: readonly StatusRow[], { topic, json, everyMs }: StatusArguments): void {
    if (json) {
      for (const row of rows) this.terminal.print(jsonLine('partition', row));
      return;
    }
    const now = everyMs === undefined ? '' : `${new Date(this.clock.wallNow()).toISOString()}\n`;
    const none = `no group has started yet${topic === undefined ? '' : ` on topic "${topic}"; check its name`}`;
    this.terminal.print(now + (rows.length === 0 ? none : tableOfRows(rows)));
    const lines = rows.flatMap(({ topic, group, missing = [] }) =>
      missing.map((what) => `${topic} ${group}: ${what}`),
    );
    for (const line of new Set(lines)) this.terminal.print(line);
  }
}

const HEADINGS = [
  'TOPIC',
  'GROUP',
  'PARTITION',
  'OWNER',
  'LEASE',
  'EPOCH',
  'RUN',
  'AGE',
  'LAG',
  'UNSETTLED',
  'OLDEST',
];

function tableOfRows(rows: readonly StatusRow[]): string {
  const cells = rows.map((row) => [
    row.topic,
    row.group,
    String(row.partition),
    // Ids begin with a time; their ends differ.
    row.owner === undefined ? '-' : `…${row.owner.slice(-12)}`,
    row.lease,
    String(row.epoch),
    String(row.run ?? '-'),
    spanOf(row.leaseAgeMs),
    String(row.lag ?? '-'),
    String(row.unsettled ?? '-'),
    row.lag === 0 ? '-' : spanOf(row.oldestUnsettledMs),
    String(row.parked),
    String(row.letters),
  ]);
  return tableOf([...HEADINGS, 'PARKED', 'LETTERS'], cells);
}

function spanOf(ms: number | undefined): string {
  return ms === undefined ? '-' : ageOf(0, ms);
}
