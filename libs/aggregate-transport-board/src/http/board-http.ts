import type { IncomingMessage, ServerResponse } from 'node:http';
import { boardCommandOf } from '../commands/board-command.js';
import { type CommandNow, RunningCommands } from '../commands/running-commands.js';
import type { Clock } from '../clock.js';
import { AggregateBoardError } from '../errors.js';
import { describeFailure } from '../failure.js';
import { EventStream } from '../live/event-stream.js';
import { LiveViews } from '../live/live-views.js';
import { textOf, viewQuestionOf } from '../live/view-question.js';
import type { Log } from '../log.js';
import type { BoardSource } from '../source/board-source.js';
import { type Access, admit, type Asker, isSame, TOKEN_COOKIE } from './access.js';
import { answer, answerFailure, answerJson, beginEvents } from './answers.js';
import { cookiesOf, CSRF_COOKIE, csrfTokenOf, requireOwnPage } from './csrf.js';
import { PAGE_FILES } from './page-files.js';
import { readJson } from './read-body.js';
import { type PageSettings, shellOf } from './shell.js';

export interface BoardHttpOptions extends PageSettings {
  readonly source: BoardSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly access: Access;
  /** Least time between two reads of a view, in milliseconds. */
  readonly everyMs: number;
}

/** A request, as the server around the board hands it over. */
export interface BoardRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What it asks for below the board's own path; begins with `/`, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** What stands before every link of the page. @default nothing */
  readonly base?: string;
  /** The body, if the server around has parsed it already. */
  readonly body?: unknown;
}

const BEAT_MS = 15_000;
const A_YEAR = 'public, max-age=31536000, immutable';

/** Answers everything that a browser asks of the board. It knows requests and responses of Node, and no framework. */
export class BoardHttp {
  readonly #views: LiveViews;
  readonly #commands: RunningCommands;
  readonly #streams = new Map<EventStream, () => void>();
  #isClosed = false;

  constructor(private readonly options: BoardHttpOptions) {
    this.#views = new LiveViews(options);
    const changed = (commands: readonly CommandNow[], isEnd: boolean): void =>
      this.#tellCommands(commands, isEnd);
    this.#commands = new RunningCommands({ ...options, changed });
  }

  /** Resolves when the answer has begun. Never rejects: what goes wrong is answered. */
  async handle(asked: BoardRequest): Promise<void> {
    try {
      await this.#handle(asked);
    } catch (error) {
      if (asked.response.headersSent) asked.response.destroy();
      else answerFailure(asked.response, describeFailure(error));
    }
  }

  /** Ends all streams, so that a server around it can close. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#streams.values()) end();
  }

  async #handle(asked: BoardRequest): Promise<void> {
    const { request, response, path, query } = asked;
    const asker: Asker = {
      peer: request.socket.remoteAddress,
      headers: request.headers,
      cookies: cookiesOf(request.headers.cookie),
    };
    if (this.#tookToken(asked)) return;
    admit(this.options.access, asker);
    switch (`${request.method ?? ''} ${path}`) {
      case 'GET /':
        this.#page(asked, asker);
        break;
      case 'GET /live':
        this.#live(response, query);
        break;
      case 'GET /find':
        answerJson(response, await this.options.source.find(textOf(query, 'text')));
        break;
      case 'POST /command':
        await this.#command(asked, asker);
        break;
      default:
        this.#file(asked);
    }
  }

  /** The token of a URL becomes a cookie, and leaves the address bar. */
  #tookToken({ request, response, path, query }: BoardRequest): boolean {
    const { access } = this.options;
    const shown = query.get('token');
    if (access.kind !== 'token' || request.method !== 'GET' || path !== '/' || shown === null) return false;
    if (!isSame(shown, access.token)) return false;
    const cookies = [`${TOKEN_COOKIE}=${access.token}; HttpOnly; SameSite=Strict`];
    answer(response, { status: 303, type: 'text/plain', text: '', location: './', cookies });
    return true;
  }

  #page({ response, base = '' }: BoardRequest, { cookies }: Asker): void {
    const { payloads, isReadOnly, traceUrl } = this.options;
    const csrf = csrfTokenOf(cookies);
    const text = shellOf(PAGE_FILES, { payloads, isReadOnly, traceUrl }, { csrf, base });
    answer(response, {
      type: 'text/html',
      text,
      cookies: [`${CSRF_COOKIE}=${csrf}; HttpOnly; SameSite=Strict`],
    });
  }

  #live(response: ServerResponse, query: URLSearchParams): void {
    if (this.#isClosed)
      throw new AggregateBoardError('BOARD_BUSY', 'expected a board that runs, found it ending');
    const stream = new EventStream(response);
    const question = viewQuestionOf(query);
    // Nothing is sent before a place is free: a refusal has a status of its own.
    const early: [string, string][] = [];
    let begun = false;
    const tell = (event: string, data: string): void => {
      if (begun) stream.tell(event, data);
      else early.push([event, data]);
    };
    const unwatch = this.#views.watch(question, { tell });
    beginEvents(response);
    begun = true;
    let cancelBeat = (): void => undefined;
    const beat = (): void => {
      stream.beat();
      cancelBeat = this.options.clock.after(BEAT_MS, beat);
    };
    beat();
    this.#streams.set(stream, () => response.end());
    response.once('close', () => {
      cancelBeat();
      unwatch();
      this.#streams.delete(stream);
    });
    stream.tell('commands', JSON.stringify(this.#commands.list()));
    for (const [event, data] of early) stream.tell(event, data);
  }

  async #command({ request, response, body }: BoardRequest, asker: Asker): Promise<void> {
    requireOwnPage(asker);
    if (this.options.isReadOnly) {
      throw new AggregateBoardError(
        'BOARD_FORBIDDEN',
        'expected no command, as this board only shows, found one; start it without readOnly to allow commands',
      );
    }
    const command = boardCommandOf(body ?? (await readJson(request)));
    answerJson(response, { id: this.#commands.start(command) }, 202);
  }

  #file({ request, response, path }: BoardRequest): void {
    const file = PAGE_FILES.find(({ name }) => path === `/assets/${name}`);
    if (file === undefined || request.method !== 'GET')
      throw new AggregateBoardError(
        'BOARD_NOT_FOUND',
        'expected a page of the board, found another path; open its first page',
      );
    answer(response, { type: file.type, text: file.text, cache: A_YEAR });
  }

  #tellCommands(commands: readonly CommandNow[], isEnd: boolean): void {
    const data = JSON.stringify(commands);
    for (const stream of this.#streams.keys()) stream.tell('commands', data);
    if (isEnd) this.#views.refresh();
  }
}
