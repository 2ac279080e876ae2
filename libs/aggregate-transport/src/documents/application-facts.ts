/** What a topic's body is written in; `other`: a codec of the application's own. */
export type BodyFormat = 'json' | 'cloudevents' | 'cloudevents-binary' | 'other';

/** One event type of a topic. */
export interface TypeFacts {
  readonly type: string;
  /** The version that is published and handled; undefined if the topic's definition does not say it. */
  readonly version: number | undefined;
  /** What the payload must be, as a schema of some library; undefined if that is not declared. */
  readonly schema: unknown;
}

/** One group of an application that handles events of a topic. */
export interface GroupFacts {
  /** Undefined if neither the handlers nor options that can be read name it. */
  readonly group: string | undefined;
  /** The types that have a handler of their own. */
  readonly types: readonly string[];
  /** True if a handler takes every other type. */
  readonly others: boolean;
  /** As `Class.method`. */
  readonly handlers: readonly string[];
}

/** One topic of an application. */
export interface TopicFacts {
  readonly name: string;
  /** The types that its definition or a handler names. */
  readonly types: readonly TypeFacts[];
  /** True if its definition lists all types. */
  readonly isComplete: boolean;
  /** True if the application injects a publisher of it. */
  readonly isPublished: boolean;
  readonly groups: readonly GroupFacts[];
  readonly format: BodyFormat;
}

/** What an application says of its topics, without running it. */
export interface ApplicationFacts {
  readonly topics: readonly TopicFacts[];
  /** False if its options come from a factory, which is not called. */
  readonly hasOptions: boolean;
}

/** How a document names the application. */
export interface DocumentTitle {
  readonly title: string;
  readonly version: string;
}
