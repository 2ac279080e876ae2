const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span as a person says it: two parts at most. Pure. */
export function spanOf(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return twoParts(ms, [HOUR, 'h'], [MINUTE, 'min']);
  return twoParts(ms, [DAY, 'd'], [HOUR, 'h']);
}

function twoParts(ms: number, [large, name]: [number, string], [small, part]: [number, string]): string {
  const rest = Math.floor((ms % large) / small);
  return rest === 0
    ? `${Math.floor(ms / large)} ${name}`
    : `${Math.floor(ms / large)} ${name} ${rest} ${part}`;
}

/** Grouped by thin spaces. Pure. */
export function countOf(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** Pure. */
export function rateOf(perSecond: number): string {
  return perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : countOf(perSecond);
}

/** `1 event`, `2 events`. Pure. */
export function counted(count: number, noun: string): string {
  return `${countOf(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Local date and time, to the millisecond. Pure but for the time zone. */
export function timeOf(at: number): string {
  const date = new Date(at);
  const two = (value: number, digits = 2): string => String(value).padStart(digits, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time}.${two(date.getMilliseconds(), 3)}`;
}

/** Characters that are invisible, or that turn others around: shown by their numbers. A joiner within emoji stays. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const JOINER = '\u200d';

/** An id or a name as it is shown: it may be hostile. Pure. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (found) =>
    found === JOINER ? found : `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Ids of processes begin with what they share; their ends differ. Pure. */
export function shortOwner(owner: string): string {
  return owner.length > 14 ? `…${visible(owner.slice(-12))}` : visible(owner);
}
