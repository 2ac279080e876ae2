import { AggregateBoardError } from '../errors.js';
import type { GroupRef, RewindTo } from '../source/board-source.js';

/** What an operator asks for by a button. */
export type BoardCommand =
  | (GroupRef & { readonly kind: 'retry' | 'skip' | 'discard'; readonly aggregateId: string })
  | (GroupRef & { readonly kind: 'retryAll' | 'cancel' })
  | (GroupRef & { readonly kind: 'repartition'; readonly to: number })
  | (GroupRef & { readonly kind: 'rewind'; readonly to: RewindTo });

const MAX_TEXT = 4_096;
const MAX_PARTITIONS = 256;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads a command from a body of JSON. Pure.
 * @throws BOARD_REQUEST_INVALID
 */
export function boardCommandOf(body: unknown): BoardCommand {
  const fields = fieldsOf(body);
  const ref = { topic: textOf(fields, 'topic'), group: textOf(fields, 'group') };
  const { kind } = fields;
  switch (kind) {
    case 'retry':
    case 'skip':
    case 'discard':
      return { kind, ...ref, aggregateId: textOf(fields, 'aggregateId') };
    case 'retryAll':
    case 'cancel':
      return { kind, ...ref };
    case 'repartition':
      return { kind, ...ref, to: partitionsOf(fields['to']) };
    case 'rewind':
      return { kind, ...ref, to: rewindTo(fieldsOf(fields['to'])) };
    default:
      throw invalid('kind', 'a command of the board');
  }
}

/** For the log and for pages: what is asked for, in words. Pure. */
export function wordsOf(command: BoardCommand): string {
  const where = `group "${command.group}" on topic "${command.topic}"`;
  switch (command.kind) {
    case 'retry':
    case 'skip':
    case 'discard':
      return `${command.kind} aggregate "${command.aggregateId}" of ${where}`;
    case 'retryAll':
      return `retry all parked aggregates of ${where}`;
    case 'cancel':
      return `cancel the change of ${where}`;
    case 'repartition':
      return `repartition ${where} to ${command.to}`;
    case 'rewind':
      return `rewind ${where} to ${placeOf(command.to)}`;
  }
}

function placeOf(to: RewindTo): string {
  if (to.kind === 'start') return 'the start';
  return to.kind === 'time' ? new Date(to.time).toISOString() : `sequence ${to.sequence}`;
}

function rewindTo(fields: Fields): RewindTo {
  const { kind, time, sequence } = fields;
  if (kind === 'start') return { kind };
  if (kind === 'time' && isCount(time)) return { kind, time };
  if (kind === 'sequence' && isCount(sequence) && sequence >= 1) return { kind, sequence };
  throw invalid('to', 'the start, a time or a sequence');
}

function partitionsOf(value: unknown): number {
  if (isCount(value) && value >= 1 && value <= MAX_PARTITIONS && Number.isInteger(Math.log2(value)))
    return value;
  throw invalid('to', `a power of two up to ${MAX_PARTITIONS}`);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw invalid('the body', 'an object');
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string' && value !== '' && value.length <= MAX_TEXT) return value;
  throw invalid(name, `a text of 1 to ${MAX_TEXT} characters`);
}

function invalid(name: string, expected: string): AggregateBoardError {
  return new AggregateBoardError(
    'BOARD_REQUEST_INVALID',
    `expected ${name} to be ${expected}, found another value; reload the page`,
  );
}
