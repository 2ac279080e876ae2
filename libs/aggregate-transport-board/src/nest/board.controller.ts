import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  All,
  type CanActivate,
  Controller,
  Inject,
  Req,
  Res,
  type Type,
  UseGuards,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { BoardHttp } from '../http/board-http.js';

/** A request of Express, or one of Fastify with the request of Node in `raw`. */
interface AdapterRequest extends IncomingMessage {
  readonly raw?: IncomingMessage;
  readonly originalUrl?: string;
  readonly body?: unknown;
}

interface AdapterResponse extends ServerResponse {
  readonly raw?: ServerResponse;
  /** Of Fastify: the answer is written by others. */
  readonly hijack?: () => void;
}

/** A controller of the board at a path. Each path is named: wildcards differ between the adapters. */
export function boardControllerAt(path: string, guards: readonly (CanActivate | Type<CanActivate>)[]): Type {
  @Controller({ path, version: VERSION_NEUTRAL })
  @UseGuards(...guards)
  class AggregateBoardController {
    constructor(@Inject(BoardHttp) private readonly board: BoardHttp) {}

    @All(['', 'live', 'find', 'command', 'assets/:name'])
    handle(@Req() request: AdapterRequest, @Res() response: AdapterResponse): Promise<void> {
      response.hijack?.();
      const url = request.originalUrl ?? request.url ?? '/';
      const [full = '/', query = ''] = url.split(/\?(.*)/s);
      const { path: below, base } = placeBelow(full, path);
      return this.board.handle({
        request: request.raw ?? request,
        response: response.raw ?? response,
        ...{ path: below, base, query: new URLSearchParams(query), body: request.body },
      });
    }
  }
  return AggregateBoardController;
}

/**
 * What is asked for below the board's own path and how its page reaches the rest. A page
 * without a slash at its end has its last segment before every link. Pure.
 */
export function placeBelow(full: string, path: string): { readonly path: string; readonly base: string } {
  const own = path.replace(/^\/|\/$/g, '');
  // Its own files are called board, too: only what it serves may stand below.
  const [, below = ''] = new RegExp(`/${own}(/(?:live|find|command|assets/[^/]*)?)?$`, 'i').exec(full) ?? [];
  if (below !== '') return { path: below, base: '' };
  return { path: '/', base: `./${full.split('/').at(-1) ?? ''}/` };
}
