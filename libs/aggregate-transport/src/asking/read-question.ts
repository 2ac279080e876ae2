import { ASK_VERSION, type Question } from './answers.js';

/** A question is short: an aggregate's id has 256 bytes at most. */
const MAX_BYTES = 4_096;
export const MAX_WORST = 200;

/** What a message asks; undefined for what is no question of this version, which is ignored. Pure. */
export function readQuestion(body: Uint8Array): Question | undefined {
  const found = body.length > MAX_BYTES ? undefined : parsed(body);
  if (typeof found !== 'object' || found === null) return undefined;
  const { v, ask, worst, aggregateId } = found as Readonly<Record<string, unknown>>;
  if (v !== ASK_VERSION) return undefined;
  if (ask === 'aggregate') return typeof aggregateId === 'string' ? { v, ask, aggregateId } : undefined;
  if (ask !== 'group') return undefined;
  if (worst === undefined) return { v, ask };
  return isCount(worst) ? { v, ask, worst } : undefined;
}

function isCount(worst: unknown): worst is number {
  return Number.isSafeInteger(worst) && (worst as number) >= 0 && (worst as number) <= MAX_WORST;
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
}
