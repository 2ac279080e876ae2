import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { AggregateBoardError } from '../errors.js';

/**
 * Who may see the board. `loopback`: programs on this machine, by peer and by Host. `token`: those who show the token.
 * `guarded`: a guard of the application decides before a request gets here.
 */
export type Access =
  | { readonly kind: 'loopback' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'guarded' };

/** What of a request decides. */
export interface Asker {
  /** The address of the other end of the connection. */
  readonly peer: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly cookies: ReadonlyMap<string, string>;
}

export const TOKEN_COOKIE = 'aggregate-board-token';

/** A proxy passes on what others ask, so its own address says nothing. */
const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'] as const;
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;
const LOOPBACK_PEER = /^(?:(?:::ffff:)?127(?:\.\d{1,3}){3}|::1)$/i;

/**
 * Lets a request pass or refuses it. Pure.
 * @throws BOARD_FORBIDDEN
 */
export function admit(access: Access, asker: Asker): void {
  if (isOfOtherSite(asker.headers))
    throw forbidden(
      'expected a request of the board itself, found one of another site; open the board by its own URL',
    );
  if (access.kind === 'loopback') admitLoopback(asker);
  if (access.kind === 'token' && !hasToken(access.token, asker))
    throw forbidden(
      'expected the token of the board, found none or another one; open the URL that the command printed',
    );
}

/** Equal, in a time that does not tell where they differ. */
export function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function admitLoopback({ peer, headers }: Asker): void {
  const isLocal = LOOPBACK_PEER.test(peer ?? '') && LOOPBACK_HOST.test(headers.host ?? '');
  const isPassedOn = PROXY_HEADERS.some((name) => headers[name] !== undefined);
  if (isLocal && !isPassedOn) return;
  throw forbidden(
    'expected a request from this machine to localhost, found another peer, another Host or a proxy; ' +
      'give AggregateBoardModule.forRoot a guard, or the command --token-file and --allow-remote',
  );
}

function hasToken(token: string, { headers, cookies }: Asker): boolean {
  const bearer = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
  return [cookies.get(TOKEN_COOKIE), bearer].some((shown) => shown !== undefined && isSame(shown, token));
}

/** A page of another site may only lead here by a link. */
function isOfOtherSite(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'] ?? 'none';
  return site !== 'same-origin' && site !== 'none' && headers['sec-fetch-mode'] !== 'navigate';
}

function forbidden(text: string): AggregateBoardError {
  return new AggregateBoardError('BOARD_FORBIDDEN', text);
}
