import { ASK_VERSION, type Question } from './answers.js';

/** A question is short: an aggregate's id has 256 bytes at most. */
const MAX_BYTES = 4_096;
export const MAX_WORST = 200;

/** What a message asks; undefined for what is no question of this version, which is ignored. Pure. */
export function readQuestion(body: Uint8Array): Question | undefined {
  if (body.length > MAX_BYTES) return undefined;
  let found: unknown;
  try {
    found = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof found !== 'object' || found === null) return undefined;
  const { v, ask, worst, aggregateId } = found as Readonly<Record<string, unknown>>;
  if (v !== ASK_VERSION) return undefined;
  if (ask === 'aggregate' && typeof aggregateId === 'string') return { v, ask, aggregateId };
  if (ask !== 'group') return undefined;
  if (worst === undefined) return { v, ask };
  const isCount = Number.isSafeInteger(worst) && (worst as number) >= 0 && (worst as number) <= MAX_WORST;
  return isCount ? { v, ask, worst: worst as number } : undefined;
}
