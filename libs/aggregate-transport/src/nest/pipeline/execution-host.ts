import type { ExecutionContext } from '@nestjs/common';

type HttpHost = ReturnType<ExecutionContext['switchToHttp']>;
type RpcHost = ReturnType<ExecutionContext['switchToRpc']>;
type WsHost = ReturnType<ExecutionContext['switchToWs']>;

/** What Nest passes to a message handler: the payload and the context. An enhancer may replace either. */
export type PipelineArgs = [payload: unknown, context: unknown];

/**
 * What guards, interceptors, filters and parameter decorators see of an event. Answers as Nest's own host does, which
 * is not public. Filters get one without a class and a method, as from Nest. The caller names the types of the answers,
 * so here they are `never`.
 */
export class ExecutionHost implements ExecutionContext {
  constructor(
    private readonly args: PipelineArgs,
    private readonly controller: object | null = null,
    private readonly method: object | null = null,
  ) {}

  getType(): never {
    return 'rpc' as never;
  }

  getClass(): never {
    return this.controller as never;
  }

  getHandler(): never {
    return this.method as never;
  }

  getArgs(): never {
    return this.args as never;
  }

  getArgByIndex(index: number): never {
    return this.args[index as 0] as never;
  }

  switchToRpc(): RpcHost {
    return Object.assign(this, {
      getData: () => this.getArgByIndex(0),
      getContext: () => this.getArgByIndex(1),
    });
  }

  switchToHttp(): HttpHost {
    return Object.assign(this, {
      getRequest: () => this.getArgByIndex(0),
      getResponse: () => this.getArgByIndex(1),
      getNext: () => this.getArgByIndex(2),
    });
  }

  switchToWs(): WsHost {
    return Object.assign(this, {
      getClient: () => this.getArgByIndex(0),
      getData: () => this.getArgByIndex(1),
      getPattern: () => this.getArgByIndex(this.args.length - 1),
    });
  }
}
