import type { MessageHandler } from '@nestjs/microservices';
import { EventHandlers } from '../../consumer/handling/event-handlers.js';
import { ShapedHandler } from '../../consumer/handling/shaped-handler.js';
import { AggregateTransportError } from '../../errors.js';
import type { TopicShapes } from '../../message/shapes/topic-shapes.js';
import { type HandledTypes, MAX_NAMED_TYPES } from '../../records/member-record.js';
import type { HandlerScope } from '../handling/aggregate.context.js';
import type { AggregateHandlerOptions, HandlerExtras } from '../handling/aggregate-handler.decorator.js';
import type { AttemptContexts } from './attempt-contexts.js';
import type { ErrorWitness } from '../handling/error-witness.js';
import type { DirectWay } from './direct-call.js';
import { HandlerBridge } from './handler-bridge.js';
import { NestCall } from './nest-call.js';
import type { ProcessingHooks } from './processing-hooks.js';
import { merge, type ResolvedOptions, type ResolvedTopic } from '../../transport/resolve-options.js';
import type { PartitionPlace } from '../../transport/open-group.js';
import { undeclaredError } from '../../transport/open-topics.js';

interface Registration {
  readonly options: AggregateHandlerOptions;
  readonly callback: MessageHandler;
  readonly witness: ErrorWitness;
  /** Undefined if all events go through Nest. */
  readonly direct: DirectWay | undefined;
}

/** The topics of the application. */
export interface DeclaredTopics {
  readonly options: ResolvedOptions;
  /** What their definitions say of their events; undefined if there are none but names. */
  readonly shapesOf: (topic: string) => TopicShapes | undefined;
}

/** The handlers of one topic and group. */
export interface HandlerGroup {
  readonly topic: ResolvedTopic;
  readonly group: string;
  readonly registrations: readonly Registration[];
}

/**
 * Collects the handlers Nest finds and sorts them by topic and group. Nest's own registry chains handlers
 * of one pattern and ends as soon as the fastest does; ours keeps each apart.
 */
export class HandlerRegistry {
  readonly #groups = new Map<string, HandlerGroup & { registrations: Registration[] }>();
  /** What has its handler, as `topic group type`, or `topic group` for every other type. */
  readonly #claims = new Set<string>();

  constructor(
    private readonly topics: DeclaredTopics,
    private readonly hooks: () => ProcessingHooks | undefined,
    private readonly contexts: AttemptContexts,
  ) {}

  /**
   * @throws TOPIC_UNDECLARED, GROUP_MISSING
   * @throws HANDLER_DUPLICATE if another handler claims the same type, or another claims every other type
   */
  add(pattern: string, callback: MessageHandler, extras: HandlerExtras, direct: DirectWay | undefined): void {
    const handler: AggregateHandlerOptions = extras.aggregateHandler;
    const topic = this.topics.options.topics.get(pattern);
    if (topic === undefined) throw undeclaredError(pattern, this.topics.options);
    const group = handler.group ?? this.topics.options.group;
    if (group === undefined) {
      throw new AggregateTransportError(
        'GROUP_MISSING',
        `expected a consumer group for the handler of topic "${pattern}", found none; set group in ` +
          'AggregateTransportModule.forRoot, or in the decorator',
      );
    }
    const key = `${pattern} ${group}`;
    for (const type of typesOf(handler)) {
      const claim = type === undefined ? key : `${key} ${type}`;
      if (this.#claims.has(claim)) throw duplicateError(pattern, group, type);
      this.#claims.add(claim);
    }
    const known = this.#groups.get(key) ?? { topic, group, registrations: [] };
    known.registrations.push({ options: handler, callback, witness: extras.witness, direct });
    this.#groups.set(key, known);
  }

  groups(): HandlerGroup[] {
    return [...this.#groups.values()];
  }

  /** The event types that a group's handlers are for. */
  handledBy({ registrations }: HandlerGroup): HandledTypes {
    const claimed = registrations.flatMap(({ options }) => typesOf(options));
    const types = claimed.filter((type) => type !== undefined).sort();
    return { types: types.slice(0, MAX_NAMED_TYPES), others: claimed.includes(undefined) };
  }

  /** The handlers of a group for one partition. */
  handlersOf(
    { topic, group, registrations }: HandlerGroup,
    { partition, view, spans }: PartitionPlace,
  ): EventHandlers {
    const handlers = new EventHandlers();
    const shapes = this.topics.shapesOf(topic.name);
    for (const { options, callback, witness, direct } of registrations) {
      const scope: HandlerScope = { topic: topic.name, group, partition, view };
      const bridge = new HandlerBridge({
        throughNest: new NestCall(callback, witness),
        direct,
        around: topic.consume.around,
        scope,
        failurePolicy: {
          retry: merge(topic.consume.retry, options.retry),
          onExhausted: options.onExhausted ?? topic.consume.onExhausted,
          classify: options.classify ?? topic.consume.classify,
        },
        timeoutMs: options.timeoutMs ?? topic.consume.timeoutMs,
        batch: options.batch,
        hooks: this.hooks,
        contexts: this.contexts,
        spans,
      });
      const handler = shapes?.isChecked === true ? new ShapedHandler(bridge, shapes, view) : bridge;
      for (const type of typesOf(options)) handlers.add(type, handler);
    }
    return handlers;
  }
}

/** The types a handler claims; undefined stands for every other type. */
function typesOf({ type }: AggregateHandlerOptions): readonly (string | undefined)[] {
  return type === undefined ? [undefined] : [type].flat();
}

function duplicateError(topic: string, group: string, type: string | undefined): AggregateTransportError {
  const what = type === undefined ? 'every other type' : `type "${type}"`;
  return new AggregateTransportError(
    'HANDLER_DUPLICATE',
    `expected one handler of topic "${topic}" for ${what} in group "${group}", found two; ` +
      'remove one, or give it a group of its own',
  );
}
