import { Controller, type DynamicModule, Module, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { AggregateContext } from '../../../nest/handling/aggregate.context.js';
import { AggregateHandler, type HandlerExtras } from '../../../nest/handling/aggregate-handler.decorator.js';
import type { ReplicaSetup } from '../../../verifying/process-lines.js';
import { UsageError } from '../../command/terminal.js';
import { loadHandlers, type UserHandlers } from './user-handlers.js';

/** What Nest's decorators leave on methods and modules. */
const PATTERN = 'microservices:pattern';
const EXTRAS = 'microservices:pattern_extras';
const CONTROLLERS = 'controllers';
const IMPORTS = 'imports';

type Handle = Extract<UserHandlers['handler'], { kind: 'function' }>['handle'];

/**
 * The handlers of a replica, as a module: the user's own, or one that does nothing.
 * @throws UsageError if the user's file cannot be used
 */
export async function handlersModule(setup: ReplicaSetup): Promise<DynamicModule> {
  if (setup.handlers === undefined) return functionModule(setup.topic, () => undefined);
  const { handler } = await loadHandlers(setup.handlers);
  if (handler.kind === 'function') return functionModule(setup.topic, handler.handle);
  const count = aimAt(handler.module, setup);
  if (count === 0)
    throw new UsageError(
      `expected a handler for topic "${setup.handledTopic ?? ''}" in ${setup.handlers}, found none; ` +
        'name with --topic the topic that its handlers are for',
    );
  return { module: handler.module as Type };
}

function functionModule(topic: string, handle: Handle): DynamicModule {
  @Controller()
  class VerifiedController {
    @AggregateHandler(topic)
    async handle(@Payload() payload: unknown, @Ctx() context: AggregateContext): Promise<void> {
      const { aggregateId, aggregateVersion: number = 0, type } = context;
      await handle({ aggregateId, number, type, payload }, context);
    }
  }

  @Module({ controllers: [VerifiedController] })
  class VerifiedModule {}

  return { module: VerifiedModule };
}

/** Lets the handlers of the user's topic handle the topic of the run instead, in this process. Gives their number. */
function aimAt(module: object, { handledTopic, topic }: ReplicaSetup): number {
  const seen = new Set<unknown>();
  const waiting: unknown[] = [module];
  let count = 0;
  for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
    if (seen.has(one)) continue;
    seen.add(one);
    const { module: inner, imports, controllers } = one as Partial<DynamicModule>;
    const declared = typeof one === 'function' ? one : {};
    waiting.push(...(imports ?? []), ...listOn(declared, IMPORTS), ...(inner === undefined ? [] : [inner]));
    for (const controller of [...(controllers ?? []), ...listOn(declared, CONTROLLERS)])
      if (typeof controller === 'function')
        count += aimController(controller.prototype as object, handledTopic, topic);
  }
  return count;
}

function listOn(target: object, key: string): unknown[] {
  return (Reflect.getMetadata(key, target) as unknown[] | undefined) ?? [];
}

function aimController(prototype: object, handled: string | undefined, topic: string): number {
  let count = 0;
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const method = Object.getOwnPropertyDescriptor(prototype, name)?.value as object | undefined;
    if (typeof method !== 'function') continue;
    const extras = Reflect.getMetadata(EXTRAS, method) as Partial<HandlerExtras> | undefined;
    const own = extras?.aggregateHandler;
    if (own === undefined || own.topic !== (handled ?? own.topic)) continue;
    Reflect.defineMetadata(PATTERN, [topic], method);
    // Without the reference: its shapes are those of the other topic.
    const aimed = { ...extras, topicRef: topic, aggregateHandler: { ...own, topic } };
    Reflect.defineMetadata(EXTRAS, aimed, method);
    count++;
  }
  return count;
}
