import { type Loss, memberPath } from './json.js';

/** Deeper payloads are named as a whole: a path to such a place would say nothing. */
const MAX_DEPTH = 1_000;
/** A path is cut after so many characters. */
const MAX_PATH = 200;

/**
 * Finds what kept JSON from writing a value: a bigint, a cycle, or a member or `toJSON` that throws. It goes the same
 * way as JSON does, and ends where that ended. Undefined if nothing of this kind is found. Never throws.
 */
export function findJsonObstacle(value: unknown): Loss | undefined {
  try {
    const found = obstacleIn(value, []);
    if (found === undefined || found.path.length <= MAX_PATH) return found;
    return { path: `${found.path.slice(0, MAX_PATH)}…`, what: found.what };
  } catch {
    // A proxy that refuses to be asked.
    return undefined;
  }
}

function obstacleIn(given: unknown, above: readonly unknown[]): Loss | undefined {
  const value = converted(given);
  if (value === FAILED) return { path: '', what: 'an object whose toJSON throws' };
  if (typeof value === 'bigint') return { path: '', what: 'a bigint, which JSON cannot write' };
  if (typeof value !== 'object' || value === null) return undefined;
  if (above.includes(value)) return { path: '', what: 'an object that contains itself' };
  if (above.length >= MAX_DEPTH) return { path: '', what: `nested deeper than ${MAX_DEPTH} levels` };
  const within = [...above, value];
  return Array.isArray(value) ? obstacleInList(value, within) : obstacleInObject(value, within);
}

function obstacleInList(list: readonly unknown[], above: readonly unknown[]): Loss | undefined {
  for (let index = 0; index < list.length; index++) {
    const found = obstacleIn(list[index], above);
    if (found !== undefined) return { path: `[${index}]${found.path}`, what: found.what };
  }
  return undefined;
}

function obstacleInObject(value: object, above: readonly unknown[]): Loss | undefined {
  for (const key of Object.keys(value)) {
    const member = read(value, key);
    const found =
      member === FAILED ? { path: '', what: 'a member whose getter throws' } : obstacleIn(member, above);
    if (found !== undefined) return { path: memberPath(key) + found.path, what: found.what };
  }
  return undefined;
}

const FAILED = Symbol('failed');

function read(value: object, key: string): unknown {
  try {
    return (value as Record<string, unknown>)[key];
  } catch {
    return FAILED;
  }
}

/** What JSON writes of a value: the result of its `toJSON`, if it has one. A bigint may have one, too. */
function converted(value: unknown): unknown {
  if (typeof value !== 'bigint' && (typeof value !== 'object' || value === null)) return value;
  try {
    const { toJSON } = value as { toJSON?: unknown };
    return typeof toJSON === 'function' ? (toJSON.call(value, '') as unknown) : value;
  } catch {
    return FAILED;
  }
}
