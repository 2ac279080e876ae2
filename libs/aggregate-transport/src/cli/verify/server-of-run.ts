import type { Clock } from '../../clock.js';
import { inParallel, REQUESTS_AT_ONCE } from '../../in-parallel.js';
import { newEventId } from '../../message/event-id.js';
import { aggregateIdOf } from '../../message/subject.js';
import type { RunHistory, StoredNumber } from '../../judging/run-history.js';
import { ParkedCommands } from '../../operating/commands/operator-commands.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { findStream } from '../../stream/api/provision.js';
import { bodyOf, findMessage } from '../../stream/api/stored-message.js';
import type { Connection } from '../../stream/connection/connection.js';
import { ParkedWire } from '../../stream/wires/parked-wire.js';
import type { VerifySettings } from '../../verifying/settings.js';
import type { ParkedNumber, VerifiedServer } from '../../verifying/verified-server.js';
import { StatusCommand } from '../status/status.js';

/** In a domain owners do not hear commands: they look every 30 s. */
const RETRY_WITHIN_MS = 45_000;
const LETTERS_AT_ONCE = 8;

/** What a run asks of the user's server, over a connection that no fault hits. */
export class ServerOfRun implements VerifiedServer {
  readonly #api: JetStreamApi;
  readonly #status: StatusCommand;
  readonly #commands: ParkedCommands;

  constructor(
    private readonly connection: Connection,
    private readonly run: Pick<VerifySettings, 'topic' | 'group' | 'partitions'>,
    clock: Clock,
  ) {
    const { topic, group } = run;
    this.#api = new JetStreamApi(connection);
    this.#status = new StatusCommand(connection, { print: () => undefined }, clock);
    this.#commands = new ParkedCommands({
      name: `topic "${topic}", group "${group}"`,
      port: new ParkedWire({ connection, api: this.#api, clock, topic, group, bits: '' }),
      clock,
      newId: () => newEventId(clock.wallNow()),
    });
  }

  readonly stored = async (): Promise<StoredNumber[]> => {
    const { topic } = this.run;
    const info = await findStream(this.#api, topic);
    const first = info?.state.first_seq ?? 1;
    const count = Math.max(0, (info?.state.last_seq ?? 0) - first + 1);
    const sequences = Array.from({ length: count }, (_, index) => first + index);
    const found = await inParallel(sequences, REQUESTS_AT_ONCE, async (sequence) => {
      const message = await findMessage(this.#api, topic, { seq: sequence });
      return message === undefined ? undefined : { sequence, ...numberIn(bodyOf(message)) };
    });
    return found.filter((one) => one !== undefined);
  };

  readonly rest = async (): Promise<RunHistory['rest']> => {
    const { topic, group, partitions } = this.run;
    const rows = await this.#status.rows({ topic, group });
    // A partition that nothing is known of yet is not at rest.
    const unknown = partitions - rows.filter(({ lag }) => lag !== undefined).length;
    return {
      unsettled: rows.reduce((sum, { lag = 0 }) => sum + lag, unknown),
      parked: rows.reduce((sum, { parked }) => sum + parked, 0),
    };
  };

  readonly parked = async (): Promise<ParkedNumber[]> => {
    const listed = await this.#commands.list();
    return inParallel(listed, LETTERS_AT_ONCE, async ({ token }) => {
      const aggregateId = aggregateIdOf(token);
      for await (const { body } of this.#commands.letters(aggregateId))
        return { aggregateId, number: numberIn(body).number };
      return { aggregateId, number: undefined };
    });
  };

  readonly retry = async (aggregateId: string): Promise<boolean> => {
    const { outcome } = await this.#commands.command(aggregateId, 'retry', RETRY_WITHIN_MS);
    return outcome === 'unparked';
  };

  readonly ping = (): Promise<void> => this.connection.nats.flush();
}

/** The run's publishers write JSON, and number their events by `aggregate_version`. */
function numberIn(body: Uint8Array): Omit<StoredNumber, 'sequence'> {
  const envelope = JSON.parse(Buffer.from(body).toString('utf8')) as {
    readonly aggregate_id?: string;
    readonly aggregate_version?: number;
  };
  return { aggregateId: envelope.aggregate_id ?? '', number: envelope.aggregate_version ?? 0 };
}
