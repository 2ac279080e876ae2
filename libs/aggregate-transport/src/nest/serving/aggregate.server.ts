import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import type { Timer } from '../../clock.js';
import { AloneTurns } from '../../consumer/suspects/alone-turns.js';
import type { Partition } from '../../consumer/partition.js';
import { AggregateTransportError } from '../../errors.js';
import { Measures } from '../../observe/measures.js';
import type { HandlerExtras } from '../handling/aggregate-handler.decorator.js';
import { AttemptContexts } from './attempt-contexts.js';
import { Group, type ServedGroup } from '../../transport/served-group.js';
import { HandlerRegistry } from './handler-registry.js';
import { HandlerScan } from './handler-scan.js';
import { HandlerWays } from './handler-ways.js';
import { silenceNestErrorLog } from '../handling/nest-error-log.js';
import { type ProcessingHooks, processingHooks } from './processing-hooks.js';
import { nestLog } from '../nest-log.js';
import { AGGREGATE_TRANSPORT } from '../tokens.js';
import { type TopicLink, TopicLinks } from '../../transport/open-topics.js';

/** Hears of a group that is served from now on. */
export type ServingListener = (group: ServedGroup, link: TopicLink) => { readonly end: () => void };

/** Nest starts microservices right after its bootstrap. So much later the application has forgotten to. */
const LISTENS_WITHIN_MS = 10_000;

/**
 * The transport strategy: pass it to `app.connectMicroservice({ strategy: app.get(AggregateServer) })` or
 * `createMicroservice`. Its modes:
 *
 * - `idle`: collects handlers. Left by {@link listen}.
 * - `listening`: consumers run. Left by {@link close}, or by Nest's `onModuleDestroy`, whichever comes first:
 *   their order differs between hybrid apps, pure microservices and signals.
 * - `closed`: the end; what handlers had not finished is handled by the next process.
 */
@Injectable()
export class AggregateServer
  extends Server
  implements CustomTransportStrategy, OnApplicationBootstrap, OnModuleDestroy
{
  override readonly transportId = AGGREGATE_TRANSPORT;
  readonly #links: TopicLinks;
  readonly #registry: HandlerRegistry;
  readonly #problems: unknown[] = [];
  /** Handlers of patterns that name no transport, so Nest gives them to each. */
  readonly #unaddressed: { readonly topic: string; readonly isRequest: boolean }[] = [];
  #hooks: ProcessingHooks | undefined;
  readonly #groups: Group[] = [];
  readonly #turns: AloneTurns;
  readonly #contexts = new AttemptContexts();
  readonly #log = nestLog('AggregateServer');
  #servingListener: ServingListener | undefined;
  readonly #endings: { readonly end: () => void }[] = [];
  #listening = false;
  #closing: Promise<void> | undefined;
  #listenWatch: Timer | undefined;

  constructor(
    @Inject(TopicLinks) links: TopicLinks,
    @Inject(HandlerScan) private readonly scan: HandlerScan,
    @Inject(HandlerWays) private readonly ways: HandlerWays,
  ) {
    super();
    this.#links = links;
    this.#turns = new AloneTurns(links.clock);
    this.scan.watch();
    this.#registry = new HandlerRegistry(links, () => this.#hooks, this.#contexts);
    // Failures are reported here, with their reason; Nest 12 would log them once more. A plain field on
    // Nest 11, so it is set rather than overridden.
    (this as { propagatesEventHandlerErrors?: boolean }).propagatesEventHandlerErrors = true;
    silenceNestErrorLog();
  }

  /** The partitions of this process's groups, whether it owns them or waits for them. */
  get partitions(): readonly Partition[] {
    return this.#groups.flatMap(({ partitions }) => partitions);
  }

  /** Calls back for each group once it is served; what that gives is ended when the group is closed. */
  whenServing(listener: ServingListener): void {
    this.#servingListener = listener;
  }

  /** The groups of this process's handlers, each with the partitions of the layout it follows. */
  get groups(): readonly ServedGroup[] {
    return this.#groups;
  }

  /** Handlers that carry our decorator, whether their server listens or not. */
  get handlerCount(): number {
    return this.scan.handlers().length;
  }

  /** True from the moment all consumers are started. */
  get isListening(): boolean {
    return this.#listening;
  }

  /** Called by Nest for each handler. Mistakes are kept and reported by {@link listen}. */
  override addHandler(
    pattern: unknown,
    callback: MessageHandler,
    isEventHandler = false,
    extras: Partial<HandlerExtras> = {},
  ): void {
    try {
      const topic = String(pattern);
      if (isOurs(extras)) {
        if (extras.topicRef !== undefined) this.#links.declare(extras.topicRef);
        this.#registry.add(topic, callback, extras, this.ways.choose(topic, extras.witness));
      } else if (!isEventHandler && this.scan.isOurs(topic)) throw requestError(topic);
      else this.#unaddressed.push({ topic, isRequest: !isEventHandler });
    } catch (problem) {
      this.#problems.push(problem);
    }
  }

  /**
   * Reports handlers that will never be called, also in an application that never connects this server. Nothing else
   * would tell of that mistake.
   * @throws HANDLER_MISPLACED, OPTIONS_INVALID for handlers that would never be called
   */
  async onApplicationBootstrap(): Promise<void> {
    if (this.#listening || this.#closing !== undefined) return;
    try {
      this.scan.check();
    } catch (error) {
      await this.#abandon(error);
    }
    const handlers = this.scan.handlers();
    if (handlers.length === 0) return;
    this.#listenWatch = this.#links.clock.after(LISTENS_WITHIN_MS, () => {
      if (this.#listening || this.#closing !== undefined) return;
      this.#log.write(
        'server-not-listening',
        { count: handlers.length, limitMs: LISTENS_WITHIN_MS },
        `expected the server of ${handlers.length} handlers (${handlers.slice(0, 3).join(', ')}${handlers.length > 3 ? ', …' : ''}) ` +
          `to listen ${LISTENS_WITHIN_MS / 1_000} s after bootstrap, found that it does not, so they get no event; ` +
          'call app.connectMicroservice({ strategy: app.get(AggregateServer) }) and app.startAllMicroservices()',
      );
    });
  }

  /**
   * Opens the topics that have handlers and starts to consume. Attempts start in the `AsyncLocalStorage` context of
   * this call. Reports through the callback, as Nest expects: a rejected promise here would hang `app.listen()` for
   * ever. A start that fails closes the transport, so that no connection keeps the process alive.
   */
  listen(callback: (error?: unknown) => void): void {
    this.#contexts.capture();
    this.#start()
      .catch((error: unknown) => this.#abandon(error))
      .then(
        () => callback(),
        (error: unknown) => callback(error),
      );
  }

  /**
   * Stops pulling, lets running handlers end within `shutdown.drainMs`, and confirms the last commits.
   * Safe to call twice, and without a `listen` before it.
   */
  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  /** Handlers need the application's providers, so they end before those are torn down. */
  onModuleDestroy(): Promise<void> {
    return this.close();
  }

  override setOnProcessingStartHook(hook: Parameters<Server['setOnProcessingStartHook']>[0]): void {
    super.setOnProcessingStartHook(hook);
    const end = (): Server['onProcessingEndHook'] | undefined => this.onProcessingEndHook;
    this.#hooks = processingHooks(hook, end, this.#log);
  }

  /** Not supported: there is no single connection to listen to; see the log and the health indicator. */
  on(): never {
    throw new AggregateTransportError(
      'REQUEST_UNSUPPORTED',
      'expected no use of on(): this transport has no events there',
    );
  }

  /** The NATS connections by topic name, as `Map<string, NatsConnection>`. */
  unwrap<T>(): T {
    const topics = [...this.#links.options.topics.keys()];
    const open = topics.flatMap((name) => {
      const link = this.#links.opened(name);
      return link?.wire.nats === undefined ? [] : [[name, link.wire.nats] as const];
    });
    return new Map(open) as T;
  }

  /** Closes what a failed start has opened. Rejects with its error. */
  async #abandon(error: unknown): Promise<never> {
    await this.close();
    await this.#links.close();
    throw error;
  }

  async #start(): Promise<void> {
    // Again, because `startAllMicroservices` may come before `init`. First, because a replaced pattern is no topic of
    // ours.
    this.scan.check();
    if (this.#problems.length > 0) throw this.#problems[0];
    const groups = this.#registry.groups();
    const topics = this.#links.options.topics;
    for (const { topic, isRequest } of this.#unaddressed)
      if (topics.has(topic)) this.#warnOf(topic, isRequest);
    if (groups.length === 0) {
      const request = this.#unaddressed.find(({ isRequest }) => isRequest);
      if (request !== undefined) throw requestError(request.topic);
      throw new AggregateTransportError(
        'HANDLER_MISSING',
        'expected at least one @AggregateHandler in a controller, found none; remove the strategy, or add the controller to a module',
      );
    }
    const log = this.#log;
    const { metrics } = this.#links.options;
    const measures = metrics && new Measures(metrics, log);
    const tracing = await this.#links.tracing();
    for (const group of groups) {
      const link = await this.#links.open(group.topic.name);
      this.#groups.push(
        await Group.open({
          link,
          group: group.group,
          handlers: {
            handlersOf: (place) => this.#registry.handlersOf(group, place),
            handled: this.#registry.handledBy(group),
          },
          hooks: this.#links.options.hooks,
          measures,
          tracing,
          drainMs: this.#links.options.drainMs,
          turns: this.#turns,
          clock: this.#links.clock,
          log,
        }),
      );
    }
    if (this.#closing !== undefined) return;
    for (const group of this.#groups) this.#serve(group);
    this.#listening = true;
    this.#listenWatch?.cancel();
  }

  #serve(group: Group): void {
    group.start();
    const link = this.#links.opened(group.topic);
    if (link !== undefined && this.#servingListener !== undefined)
      this.#endings.push(this.#servingListener(group, link));
  }

  #warnOf(topic: string, isRequest: boolean): void {
    this.#log.write(
      'pattern-without-transport',
      { topic },
      `found @${isRequest ? 'MessagePattern' : 'EventPattern'}("${topic}") without a transport, which gets no event of topic ` +
        `"${topic}"; use @AggregateHandler, or name the transport that it is for`,
    );
  }

  async #drain(): Promise<void> {
    this.#listenWatch?.cancel();
    this.#listening = false;
    const { drainMs } = this.#links.options;
    const drained = await Promise.all(this.#groups.map((group) => group.close(drainMs)));
    // Until here operators can ask what a shutdown waits for.
    for (const { end } of this.#endings.splice(0)) end();
    if (drained.includes(false)) {
      this.#log.write(
        'drain-timed-out',
        { limitMs: drainMs },
        `handlers or last commits did not end within shutdown.drainMs ${drainMs}; the next process handles their events again`,
      );
    }
    this.#log.flush?.();
  }
}

function isOurs(extras: Partial<HandlerExtras>): extras is HandlerExtras {
  return extras.aggregateHandler !== undefined && extras.witness !== undefined;
}

function requestError(topic: string): AggregateTransportError {
  return new AggregateTransportError(
    'REQUEST_UNSUPPORTED',
    `expected event handlers on this transport, found @MessagePattern("${topic}"): no caller of a stored event waits ` +
      'for a reply; use @AggregateHandler, or another transport for requests',
  );
}
