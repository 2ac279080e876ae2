import type { Clock } from '../../clock.js';
import { jsonCodec } from '../../message/codec.js';
import { newEventId } from '../../message/event-id.js';
import { envelopeIn, wholeBody, withPayload } from '../../operating/letters/edited-body.js';
import { type FoundLetter, LetterEditor } from '../../operating/letters/letter-edit.js';
import { changesBetween, type PayloadChange } from '../../operating/letters/payload-changes.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import type { Connection } from '../../stream/connection/connection.js';
import { ParkedWire } from '../../stream/wires/parked-wire.js';
import { defineCommand } from '../command/command.js';
import { type Terminal, UsageError } from '../command/terminal.js';
import { numberOf, understood } from '../command/values.js';
import { editedText, textOfFile } from './edited-text.js';
import { placeOf } from './parked-place.js';
import { jsonLine } from '../command/json-line.js';

export const editCommand = defineCommand({
  name: 'parked edit',
  flags: {
    ...{ topic: 'string', group: 'string', sequence: 'string', file: 'string', payload: 'string' },
    ...{ comment: 'string', wait: 'string', whole: 'boolean', yes: 'boolean', 'dry-run': 'boolean' },
  },
  words: 1,
  help: [
    ['TOPIC/GROUP/AGGREGATE', "change its first letter's payload in EDITOR; it keeps its place"],
    ['[--sequence N]', 'the letter of the event with this sequence'],
    ['[--file F | --payload JSON]', 'the payload, without an editor'],
    ['[--whole]', 'the whole body, for one that is no envelope'],
    ['[--comment TEXT]', 'why: shown to its handler, and in its history'],
    ['[--dry-run]', 'only tell what would change'],
    ['[--wait MS]', 'how long to wait while its letters are replayed, 30000'],
  ],
  prepare({ flags, words: [word] }, { terminal, connected, clock }) {
    const { topic, group, aggregateId } = placeOf(word, flags);
    if (aggregateId === undefined) throw new UsageError('expected TOPIC/GROUP/AGGREGATE');
    if (flags.file !== undefined && flags.payload !== undefined)
      throw new UsageError('expected --file or --payload, found both');
    const sequence =
      flags.sequence === undefined ? undefined : numberOf('sequence', flags.sequence, { otherwise: 0 });
    const args: EditArguments = {
      ...{ topic, group, aggregateId, sequence, isWhole: flags.whole === true },
      ...{ comment: flags.comment, json: flags.json === true, yes: flags.yes === true },
      isDry: flags['dry-run'] === true,
      waitMs: numberOf('wait', flags.wait, { otherwise: 30_000 }),
      newText: (text) => {
        if (flags.payload !== undefined) return Promise.resolve(flags.payload);
        return flags.file === undefined ? editedText(text) : textOfFile(flags.file);
      },
    };
    return () => connected((connection) => edit(args, { connection, terminal, clock }));
  },
});

interface EditArguments {
  readonly topic: string;
  readonly group: string;
  readonly aggregateId: string;
  readonly sequence: number | undefined;
  readonly isWhole: boolean;
  readonly comment: string | undefined;
  readonly json: boolean;
  readonly yes: boolean;
  readonly isDry: boolean;
  readonly waitMs: number;
  /** What the letter becomes, made from what it is. */
  readonly newText: (text: string) => Promise<string>;
}

interface EditSurroundings {
  readonly connection: Connection;
  readonly terminal: Terminal;
  readonly clock: Clock;
}

async function edit(args: EditArguments, { connection, terminal, clock }: EditSurroundings): Promise<number> {
  const { topic, group, aggregateId, sequence, comment, json, waitMs } = args;
  const api = new JetStreamApi(connection);
  const editor = new LetterEditor({
    name: `topic "${topic}", group "${group}"`,
    port: new ParkedWire({ connection, api, clock, topic, group, bits: '' }),
    ...{ clock, newId: () => newEventId(clock.wallNow()), maxPayloadBytes: connection.maxPayloadBytes },
  });
  const found = await editor.find({ aggregateId, ...(sequence === undefined ? {} : { sequence }) });
  const { body, changes } = await newBody(args, found);
  const at = { topic, group, aggregateId, sequence: found.letter.note.sequence };
  const say = (value: object, text: string): void =>
    terminal.print(json ? jsonLine('letter-edit', { ...at, ...value }) : text);
  if (changes.length === 0) {
    say({ outcome: 'unchanged' }, 'nothing differs; nothing was changed');
    return 1;
  }
  if (args.isDry || !json) say({ outcome: 'dry-run', changes }, changesText(changes));
  if (args.isDry) return 0;
  await confirm(args, at.sequence, terminal);
  const result = await editor.edit(aggregateId, found, {
    body,
    waitMs,
    ...(comment === undefined ? {} : { comment }),
  });
  say(
    { outcome: 'edited', changes, ...result },
    `letter ${result.sequence} of "${aggregateId}" is edited (${result.editId}) and keeps its place; its original stays as ` +
      'a letter that is never handled; handle it with parked retry',
  );
  return 0;
}

/** @throws UsageError */
async function newBody(
  { aggregateId, isWhole, newText }: EditArguments,
  { letter }: FoundLetter,
): Promise<{ body: Uint8Array; changes: PayloadChange[] }> {
  const envelope = isWhole ? undefined : envelopeIn(jsonCodec, letter, aggregateId);
  if (envelope !== undefined) {
    const payload = jsonIn(await newText(`${JSON.stringify(envelope.payload, undefined, 2)}\n`));
    const changes = changesBetween(envelope.payload, payload);
    return { body: withPayload(jsonCodec, { ...letter, aggregateId }, payload), changes };
  }
  const before = Buffer.from(letter.body).toString('utf8');
  if (!isWhole)
    throw new UsageError(
      'expected a letter with a JSON envelope, found another body: write the whole envelope (--whole), or use ' +
        'ParkedAggregates.edit with your codec',
    );
  const after = (await newText(before)).trimEnd();
  const edited = { ...letter, body: Buffer.from(after, 'utf8') };
  const whole = understood(() => wholeBody(jsonCodec, edited, aggregateId));
  return { body: whole, changes: before === after ? [] : [{ path: '', before, after }] };
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError('expected a payload in JSON, found another text; nothing was changed');
  }
}

function changesText(changes: readonly PayloadChange[]): string {
  return changes
    .flatMap(({ path, before, after }) => {
      const at = path === '' ? 'payload' : path;
      return [
        ...(before === undefined ? [] : [`- ${at}: ${before}`]),
        ...(after === undefined ? [] : [`+ ${at}: ${after}`]),
      ];
    })
    .join('\n');
}

async function confirm(
  { aggregateId, yes }: EditArguments,
  sequence: number,
  terminal: Terminal,
): Promise<void> {
  if (yes) return;
  const typed = await terminal.ask(
    `About to handle letter ${sequence} of aggregate "${aggregateId}" with this payload instead of the one that was ` +
      'published. Type its id to continue: ',
  );
  if (typed !== aggregateId)
    throw new UsageError('not confirmed; nothing was done (--yes continues without asking)');
}
