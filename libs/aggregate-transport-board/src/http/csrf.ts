import { randomBytes } from 'node:crypto';
import { AggregateBoardError } from '../errors.js';
import { type Asker, isSame } from './access.js';

/** The page holds the same text, and sends it with every command: another site can read neither. */
export const CSRF_COOKIE = 'aggregate-board-csrf';
const CSRF_HEADER = 'x-aggregate-board-csrf';

const TOKEN = /^[\w-]{43}$/;
const TOKEN_BYTES = 32;

/** The token of this browser, or a new one. Several processes may serve one page: none of them keeps tokens. */
export function csrfTokenOf(cookies: ReadonlyMap<string, string>): string {
  const known = cookies.get(CSRF_COOKIE);
  return known !== undefined && TOKEN.test(known) ? known : randomBytes(TOKEN_BYTES).toString('base64url');
}

/**
 * Refuses commands that the board's own page did not send. Pure.
 * @throws BOARD_FORBIDDEN
 */
export function requireOwnPage({ headers, cookies }: Pick<Asker, 'headers' | 'cookies'>): void {
  const sent = headers[CSRF_HEADER];
  const known = cookies.get(CSRF_COOKIE);
  const isRight = typeof sent === 'string' && known !== undefined && TOKEN.test(known) && isSame(sent, known);
  if (isRight && isOwnOrigin(headers)) return;
  throw new AggregateBoardError(
    'BOARD_FORBIDDEN',
    'expected a command of the board itself, found another origin or token; nothing was done: reload the page',
  );
}

function isOwnOrigin(headers: Asker['headers']): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  const { origin } = headers;
  return origin === undefined || origin.replace(/^https?:\/\//, '') === headers.host;
}

/** Pure. */
export function cookiesOf(header: string | undefined): ReadonlyMap<string, string> {
  return new Map(
    (header ?? '').split(';').map((part) => {
      const [name = '', value = ''] = part.split(/=(.*)/s);
      return [name.trim(), value.trim()] as const;
    }),
  );
}
