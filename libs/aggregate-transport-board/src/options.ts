import { AggregateBoardError } from './errors.js';

/** What a board shows and allows. */
export interface BoardSettings {
  /** Where it is served, such as `/aggregates`; a global prefix of the application comes before it. */
  readonly path: string;
  /** Shows the payloads of events and letters to everyone who may see the board. @default false */
  readonly payloads?: boolean;
  /** Shows, and allows no command. @default false */
  readonly readOnly?: boolean;
  /** A link to each trace: a URL of http or https with `{traceId}`. @default the id without a link */
  readonly traceUrl?: string;
}

/** Names letters, digits and a few signs, so that it means the same to every router. */
const PATH = /^\/?[\w~-]+(?:\/[\w~-]+)*\/?$/;

/** @throws BOARD_OPTIONS_INVALID */
export function checkSettings({ path, payloads, readOnly, traceUrl }: BoardSettings): void {
  if (typeof path !== 'string' || !PATH.test(path))
    throw invalid('path', 'segments of letters, digits, "-", "_" and "~", such as "/aggregates"');
  if (![undefined, true, false].includes(payloads)) throw invalid('payloads', 'true or false');
  if (![undefined, true, false].includes(readOnly)) throw invalid('readOnly', 'true or false');
  if (traceUrl !== undefined && !isTraceUrl(traceUrl))
    throw invalid('traceUrl', 'a URL of http or https with {traceId}');
}

/** True for a template of links to traces: a URL of http or https with `{traceId}`. Pure. */
export function isTraceUrl(template: string): boolean {
  try {
    const { protocol } = new URL(template);
    return ['http:', 'https:'].includes(protocol) && template.includes('{traceId}');
  } catch {
    return false;
  }
}

export function invalid(name: string, expected: string): AggregateBoardError {
  return new AggregateBoardError(
    'BOARD_OPTIONS_INVALID',
    `expected ${name} of AggregateBoardModule.forRoot to be ${expected}, found another value; correct it`,
  );
}
