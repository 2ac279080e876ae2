import { type Answer, ASK_VERSION } from './answers.js';

/** What an answer must be about to count. */
export interface Expected {
  readonly topic: string;
  readonly group: string;
  readonly answers: Answer['answers'];
}

const LISTS = ['partitions', 'problems'] as const;
/** No replica's name is longer. */
const MAX_NAME = 200;

/**
 * An answer that came, or undefined for what is none: another program may send to an inbox. Numbers and texts inside
 * are as the answering process wrote them. Pure.
 */
export function readAnswer<A extends Answer>(body: Uint8Array, expected: Expected): A | undefined {
  const found = parsed(body);
  if (found === undefined || found['v'] !== ASK_VERSION) return undefined;
  if (found['topic'] !== expected.topic || found['group'] !== expected.group) return undefined;
  const { replica } = found;
  if (found['answers'] !== expected.answers || typeof replica !== 'string') return undefined;
  if (replica.length > MAX_NAME || typeof found['at'] !== 'number') return undefined;
  if (expected.answers === 'aggregate')
    return typeof found['isOwner'] === 'boolean' ? (found as unknown as A) : undefined;
  const isWhole = LISTS.every((name) => areObjects(found[name])) && areObjects(found['worst'] ?? []);
  return isWhole && isObject(found['breaker']) ? (found as unknown as A) : undefined;
}

function parsed(body: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function areObjects(value: unknown): boolean {
  return Array.isArray(value) && value.every(isObject);
}
