import { open } from 'node:fs/promises';
import { newEventId } from '../../message/event-id.js';
import { aggregateIdOf } from '../../message/subject.js';
import { exportAggregate } from '../../operating/letters/letter-export.js';
import { linesOf } from '../../operating/letters/letter-lines.js';
import { ParkedCommands } from '../../operating/commands/operator-commands.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { findStream } from '../../stream/api/provision.js';
import type { Connection } from '../../stream/connection/connection.js';
import { parkedStreamOf } from '../../stream/keys/key-places.js';
import { ParkedWire } from '../../stream/wires/parked-wire.js';
import type { Surroundings } from '../command/command.js';
import { jsonLine } from '../command/json-line.js';
import type { ParkedPlace } from './parked-place.js';

export interface ExportArguments extends ParkedPlace {
  /** Undefined: the output. */
  readonly file: string | undefined;
  readonly json: boolean;
}

/** Resolves with the exit code: 1 if nothing is parked there. */
export async function exportLetters(
  { topic, group, aggregateId, file, json }: ExportArguments,
  connection: Connection,
  { terminal, clock }: Pick<Surroundings, 'terminal' | 'clock'>,
): Promise<number> {
  const api = new JetStreamApi(connection);
  const stream = await findStream(api, parkedStreamOf(topic));
  const commands = new ParkedCommands({
    name: `topic "${topic}", group "${group}"`,
    port: new ParkedWire({ connection, api, clock, topic, group, bits: '' }),
    ...{ clock, newId: () => newEventId(clock.wallNow()) },
  });
  const listed = stream === undefined ? [] : await commands.list();
  const wanted = listed.filter(
    ({ token }) => aggregateId === undefined || aggregateIdOf(token) === aggregateId,
  );
  const out = file === undefined ? undefined : await open(file, 'w', 0o600);
  let letters = 0;
  try {
    for (const { token, marker } of wanted) {
      const place = { topic, group, aggregateId: aggregateIdOf(token) };
      const exported = await exportAggregate(commands, place, {
        marker,
        parkedCreated: stream?.created ?? '',
      });
      letters += exported.letters.filter(({ isEdit }) => !isEdit).length;
      for (const line of linesOf(exported)) {
        if (out === undefined) terminal.print(line);
        else await out.write(`${line}\n`);
      }
    }
    await out?.sync();
  } finally {
    await out?.close();
  }
  if (file !== undefined)
    terminal.print(toldOf({ topic, group, aggregates: wanted.length, letters, file }, json));
  return wanted.length === 0 ? 1 : 0;
}

interface Written {
  readonly topic: string;
  readonly group: string;
  readonly aggregates: number;
  readonly letters: number;
  readonly file: string;
}

function toldOf(written: Written, json: boolean): string {
  const { aggregates, letters, file } = written;
  return json ? jsonLine('export', written) : `${aggregates} aggregates, ${letters} letters in ${file}`;
}
