import type { JsonEvents } from '../json.js';
import { checkName, type EventMap, requireTopicName, type Topic } from '../topic.js';
import { readDefinition } from './read-definition.js';
import type { InputsIn, JsonDefinition, OutputsIn, TopicDefinition, TypeOnly } from './shape-types.js';
import { withShapes } from './topic-shapes.js';

const TYPE_ONLY: TypeOnly<never> = Object.freeze({ isTypeOnly: true });

/**
 * Stands in `defineTopic` for an event type that the compiler alone checks: `OrderPaid: type<OrderPaid>()`. It costs
 * nothing at run time.
 */
export function type<T>(): TypeOnly<T> {
  return TYPE_ONLY;
}

/**
 * Declares a topic and the payload of each of its event types; publishers and handlers are then checked by the
 * compiler. So is that a handler gets what the type says: a Date would arrive as text and a Map as `{}`, so neither
 * compiles. For a topic whose codec carries more: `defineTopic('orders') as Topic<{ OrderPaid: { at: Date } }>`.
 *
 * With schemas, payloads are checked when they are published, before they are handled, and by `read`. `publish` takes
 * the schema's input, and the stream stores that. Handlers and `read` get its output, after upcasters have made the
 * declared version of an older one.
 *
 * @example
 * export const orders = defineTopic<{ OrderPlaced: OrderPlaced; OrderShipped: OrderShipped }>('orders');
 * @example
 * export const orders = defineTopic('orders', {
 *   OrderPlaced: { version: 2, schema: z.object({ lines }), upcast: { 1: (old) => ({ lines: [old.line] }) } },
 *   OrderPaid: type<OrderPaid>(),
 * });
 * @throws OPTIONS_INVALID if the name is not 1 to 64 letters, digits, `_` or `-`
 * @throws OPTIONS_INVALID for an unknown key, and for a version that is no whole number from 1
 * @throws OPTIONS_INVALID for a schema that is none, a gap in the upcasters, and an upcaster at or above the version
 */
export function defineTopic<const D extends TopicDefinition>(
  name: string,
  definition: D & JsonDefinition<D>,
): Topic<OutputsIn<D>, InputsIn<D>>;
export function defineTopic<M extends JsonEvents<M> & object = EventMap>(name: string): Topic<M>;
export function defineTopic(name: string, definition?: TopicDefinition): Topic<object> {
  checkName('topic', requireTopicName(name, 'defineTopic'));
  const topic = { name };
  if (definition !== undefined) withShapes(topic, readDefinition(name, definition));
  return Object.freeze(topic);
}
