import type { ResetTo } from '../../operating/groups/reset-target.js';
import { UsageError } from '../command/terminal.js';

const FORMS = 'start, end, sequence:N or time:ISO-TIME';

/**
 * Reads `--to`: the number or time may follow a colon or stand as the next word. Pure.
 * @throws UsageError
 */
export function parseTarget(to: string | undefined, nextWord?: string): ResetTo {
  if (to === undefined) throw new UsageError(`expected --to ${FORMS}`);
  const colon = to.indexOf(':');
  if (colon >= 0 && nextWord !== undefined)
    throw new UsageError(`expected nothing after --to ${to}, found "${nextWord}"`);
  const [kind, value] = colon < 0 ? [to, nextWord] : [to.slice(0, colon), to.slice(colon + 1)];
  if ((kind === 'start' || kind === 'end') && value === undefined) return kind;
  if (kind === 'sequence') return { sequence: parseSequence(value) };
  if (kind === 'time') return { time: parseTime(value) };
  throw new UsageError(`expected --to ${FORMS}, found "${[to, nextWord].filter(Boolean).join(' ')}"`);
}

function parseSequence(value: string | undefined): number {
  const sequence = Number(value);
  if (Number.isSafeInteger(sequence) && sequence >= 1) return sequence;
  throw new UsageError(`expected --to sequence:N with a whole number above 0, found "${value ?? ''}"`);
}

function parseTime(value = ''): Date {
  const time = new Date(value);
  if (!Number.isNaN(time.getTime())) return time;
  throw new UsageError(`expected --to time:T with a time such as 2026-01-31T12:00:00Z, found "${value}"`);
}
