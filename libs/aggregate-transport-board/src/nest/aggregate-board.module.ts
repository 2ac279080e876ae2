import {
  type BeforeApplicationShutdown,
  type CanActivate,
  type DynamicModule,
  Inject,
  Logger,
  Module,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import { AggregateOperations } from 'nestjs-aggregate-transport';
import { systemClock } from '../clock.js';
import { BoardHttp } from '../http/board-http.js';
import { EVERY_MS } from '../live/live-views.js';
import { OperationsSource } from '../operations/operations-source.js';
import { type BoardSettings, checkSettings, invalid } from '../options.js';
import { boardControllerAt } from './board.controller.js';

export interface AggregateBoardOptions extends BoardSettings {
  /**
   * Decides who may see and change everything. Without one only requests from this machine are answered: the peer and
   * the Host are loopback, and no proxy stands between.
   */
  readonly guard?: CanActivate | Type<CanActivate>;
  /** Modules that the guard needs. */
  readonly imports?: ModuleMetadata['imports'];
}

/**
 * The board inside a Nest application with an HTTP server of Express or Fastify, beside
 * `AggregateTransportModule.forRoot`. It shows the topics that the application declares, with all their groups, and
 * asks their processes. It reads only while a page is open, and keeps nothing.
 */
@Module({})
export class AggregateBoardModule implements BeforeApplicationShutdown {
  constructor(@Inject(BoardHttp) private readonly board: BoardHttp) {}

  /** @throws BOARD_OPTIONS_INVALID */
  static forRoot(options: AggregateBoardOptions): DynamicModule {
    checkSettings(options);
    const { path, guard, imports = [], payloads = false, readOnly: isReadOnly = false, traceUrl } = options;
    if (guard !== undefined && !isGuard(guard)) throw invalid('guard', 'a guard of Nest, or its class');
    const logger = new Logger('AggregateBoard');
    return {
      module: AggregateBoardModule,
      imports,
      controllers: [boardControllerAt(path, guard === undefined ? [] : [guard])],
      providers: [
        {
          provide: BoardHttp,
          inject: [AggregateOperations],
          useFactory: (operations: AggregateOperations) =>
            new BoardHttp({
              ...{ payloads, isReadOnly, traceUrl, clock: systemClock, everyMs: EVERY_MS },
              source: new OperationsSource(() => operations, systemClock),
              access: { kind: guard === undefined ? 'loopback' : 'guarded' },
              log: { info: (text) => logger.log(text), warn: (text) => logger.warn(text) },
            }),
        },
      ],
    };
  }

  /** Pages that are open would keep the HTTP server from closing. */
  beforeApplicationShutdown(): void {
    this.board.close();
  }
}

function isGuard(guard: unknown): boolean {
  return typeof guard === 'function' || typeof (guard as CanActivate | null)?.canActivate === 'function';
}
