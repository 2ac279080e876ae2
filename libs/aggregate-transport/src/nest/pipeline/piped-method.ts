import type { PipelineArgs } from './execution-host.js';
import type { HandlerCall } from './handler-call.js';
import type { MethodCalls } from './interceptors.js';
import type { Parameters } from './parameters.js';

/**
 * Calls a handler's method for one event: fills its parameters, then calls it in a later microtask, as Nest does. An
 * interceptor may end the pipeline in between. The attempt waits for a call that is on its way, so that it does not run
 * beside the aggregate's next event.
 */
export class PipedMethod implements MethodCalls {
  #announced = 0;
  #started: (() => void) | undefined;

  constructor(
    private readonly handler: HandlerCall,
    private readonly parameters: Parameters,
    private readonly args: PipelineArgs,
  ) {}

  announce(): void {
    this.#announced++;
  }

  callOff(): void {
    this.#announced--;
    if (this.#announced === 0) this.#started?.();
  }

  async call(): Promise<unknown> {
    let values: unknown[];
    try {
      values = await this.parameters.fill(this.args);
    } finally {
      this.callOff();
    }
    return this.handler.method.apply(this.handler.instance, values);
  }

  /** Resolves when no call is on its way any more: its method has been called, or is not going to be. */
  whenStarted(): Promise<void> | undefined {
    if (this.#announced === 0) return undefined;
    return new Promise((resolve) => (this.#started = resolve));
  }
}
