import type { Topic, TopicRef } from '../topic.js';
import type { StandardSchemaV1 } from './standard-schema.js';

/** Makes of a payload of one version that of the next. May answer later. Must not change what it is given. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- old payloads have no type any more
export type Upcaster = (old: any) => unknown;

/** One event type of a topic, as its definition has it. */
export interface TypeShape {
  readonly type: string;
  /** The version that payloads are published in and handled in; undefined if the definition says only the type. */
  readonly version: number | undefined;
  /** Undefined if payloads are not checked. */
  readonly schema: StandardSchemaV1 | undefined;
  /** By version: the way to the next one. Without a gap from 1 to `version - 1`. */
  readonly upcast: ReadonlyMap<number, Upcaster>;
}

/** A type with a version. Only such types cost anything at run time. */
export type Shape = TypeShape & { readonly version: number };

/** What `defineTopic` was told about a topic's events. */
export class TopicShapes {
  readonly #shapes: ReadonlyMap<string, Shape>;

  constructor(
    readonly topic: string,
    /** All types of the definition, in its order. */
    readonly types: readonly TypeShape[],
  ) {
    this.#shapes = new Map(types.filter(hasVersion).map((shape) => [shape.type, shape]));
  }

  /** False if payloads pass as they are in any version: the definition names types only. */
  get isChecked(): boolean {
    return this.#shapes.size > 0;
  }

  /** The shape of a type; undefined if its payloads pass as they are. */
  find(type: string): Shape | undefined {
    return this.#shapes.get(type);
  }
}

function hasVersion(shape: TypeShape): shape is Shape {
  return shape.version !== undefined;
}

/** The same symbol in two copies of this library in one process. */
const SHAPES = Symbol.for('aggregate-transport.shapes');

/** Leaves the shapes with the topic, as a property that nothing lists. */
export function withShapes<T extends Topic<object>>(topic: T, shapes: TopicShapes): T {
  return Object.defineProperty(topic, SHAPES, { value: shapes });
}

/**
 * What `defineTopic` was told about the events of this topic: types, versions, schemas and upcasters. Undefined for a
 * name, and for a topic that was defined by its types alone.
 */
export function shapesOf(topic: TopicRef): TopicShapes | undefined {
  return typeof topic === 'object' ? (topic as { [SHAPES]?: TopicShapes })[SHAPES] : undefined;
}
