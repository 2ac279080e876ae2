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
export function readAnswer(body: Uint8Array, expected: Expected): Answer | undefined {
  const found = parsed(body);
  if (found === undefined || !isExpected(found, expected)) return undefined;
  const isWhole = expected.answers === 'aggregate' ? typeof found['isOwner'] === 'boolean' : isGroup(found);
  return isWhole ? (found as unknown as Answer) : undefined;
}

function isExpected(found: Found, { topic, group, answers }: Expected): boolean {
  const { replica } = found;
  const isNamed = typeof replica === 'string' && replica.length <= MAX_NAME;
  const isOfGroup = found['topic'] === topic && found['group'] === group;
  const isSaid = found['v'] === ASK_VERSION && found['answers'] === answers;
  return isNamed && isOfGroup && isSaid && typeof found['at'] === 'number';
}

function isGroup(found: Found): boolean {
  const areLists = LISTS.every((name) => areObjects(found[name])) && areObjects(found['worst'] ?? []);
  return areLists && isObject(found['breaker']);
}

type Found = Readonly<Record<string, unknown>>;

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
