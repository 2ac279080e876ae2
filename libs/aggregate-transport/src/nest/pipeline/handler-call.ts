import { ExecutionHost, type PipelineArgs } from './execution-host.js';

/** The method that a pipeline leads to. */
export interface HandlerCall {
  readonly instance: object;
  /** With our wrapper, which traces the attempt. It stands in the metadata that enhancers look up. */
  readonly method: (...args: unknown[]) => unknown;
}

/** A host of its own for each who asks, as from Nest: `switchToRpc` and the like write into it. */
export function hostOf({ instance, method }: HandlerCall, args: PipelineArgs): ExecutionHost {
  return new ExecutionHost(args, instance.constructor, method);
}
