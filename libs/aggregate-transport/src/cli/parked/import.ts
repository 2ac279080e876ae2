import { AggregateTransportError, describeError, hasCode } from '../../errors.js';
import { aggregatesIn, type ExportedAggregate } from '../../operating/letters/letter-lines.js';
import { type ImportOutcome, LetterImport } from '../../operating/letters/letter-import.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import type { Connection } from '../../stream/connection/connection.js';
import { ImportWire } from '../../stream/topics/import-wire.js';
import type { Surroundings } from '../command/command.js';
import { UsageError } from '../command/terminal.js';
import { jsonLine } from '../command/json-line.js';

export interface ImportArguments {
  readonly topic: string | undefined;
  readonly group: string | undefined;
  /** What parked export wrote. */
  readonly text: string;
  readonly json: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

/** Resolves with the exit code: 1 if anything is refused. */
export async function importLetters(
  { topic, group, text, json, dryRun, yes }: ImportArguments,
  connection: Connection,
  { terminal, clock }: Pick<Surroundings, 'terminal' | 'clock'>,
): Promise<number> {
  const wanted = [...aggregatesIn(text.split('\n'))].filter(
    (one) => (topic ?? one.topic) === one.topic && (group ?? one.group) === one.group,
  );
  if (!dryRun && !yes) {
    const typed = await terminal.ask(
      `About to park ${wanted.length} aggregates with letters that a retry handles. Type "import" to continue: `,
    );
    if (typed !== 'import')
      throw new UsageError('not confirmed; nothing was done (--yes continues without asking)');
  }
  const imports = new Map<string, Promise<LetterImport>>();
  const importOf = ({ topic: of, group: by }: ExportedAggregate): Promise<LetterImport> => {
    const place = { connection, api: new JetStreamApi(connection), clock, topic: of, group: by };
    const opened =
      imports.get(`${of} ${by}`) ?? ImportWire.open(place).then((wire) => new LetterImport(wire, clock));
    imports.set(`${of} ${by}`, opened);
    return opened;
  };
  let failed = 0;
  for (const aggregate of wanted) {
    const outcome = await imported(importOf, aggregate, dryRun);
    if (outcome.outcome === 'refused') failed++;
    const { topic: of, group: by, aggregateId } = aggregate;
    terminal.print(
      json
        ? jsonLine('import', { topic: of, group: by, aggregateId, dryRun, ...outcome })
        : `${of} ${by} ${aggregateId}: ${sayOutcome(outcome, dryRun)}`,
    );
  }
  return failed === 0 ? 0 : 1;
}

async function imported(
  importOf: (aggregate: ExportedAggregate) => Promise<LetterImport>,
  aggregate: ExportedAggregate,
  dryRun: boolean,
): Promise<ImportOutcome> {
  try {
    return await (await importOf(aggregate)).run(aggregate, { dryRun });
  } catch (error) {
    if (!(error instanceof AggregateTransportError) || hasCode(error, 'JETSTREAM_REQUEST_FAILED'))
      throw error;
    return { outcome: 'refused', why: describeError(error) };
  }
}

function sayOutcome(outcome: ImportOutcome, dryRun: boolean): string {
  if (outcome.outcome === 'there already') return 'imported before, nothing to do';
  if (outcome.outcome === 'refused') return `refused, found ${outcome.why}`;
  return `${outcome.letters} letters ${dryRun ? 'would be imported' : 'imported; it is parked'}`;
}
