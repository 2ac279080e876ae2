import { type Clock, delay } from '../clock.js';
import { WriteBudget } from '../consumer/position/commit-pace.js';
import { AggregateTransportError } from '../errors.js';
import { type Log, logAt } from '../log.js';
import type { AggregateEvent } from '../message/event.js';
import type { OutgoingEvent } from '../message/outgoing/outgoing-event.js';
import { prepareEvent } from '../message/outgoing/prepare-event.js';
import { shapesOf, type TopicShapes } from '../message/shapes/topic-shapes.js';
import { subjectOf } from '../message/subject.js';
import type { TopicRef } from '../message/topic.js';
import type { Headers } from '../tracing/carrier.js';
import { loadOpenTelemetry } from '../tracing/load-api.js';
import { SendSpans } from '../tracing/send-spans.js';
import { Tracing } from '../tracing/tracing.js';
import { CallTurns } from '../publisher/checks/call-turns.js';
import { PayloadChecks } from '../publisher/checks/payload-checks.js';
import { Sequencer } from '../publisher/sequencer.js';
import { NatsWires } from './nats-wires.js';
import type { ResolvedOptions, ResolvedTopic } from './resolve-options.js';
import { SettingsWatch } from './settings-watch.js';
import type { TopicWire, TopicWires } from './wires.js';

/** An open topic: the ways to its stream, and the one sequencer of this process. */
export interface TopicLink {
  readonly topic: ResolvedTopic;
  readonly wire: TopicWire;
  readonly sequencer: Sequencer;
  /** Undefined where the topic declares no shapes. */
  readonly checks: PayloadChecks | undefined;
  /** Paces the positions that this process writes for the topic. */
  readonly writes: WriteBudget;
  readonly settings: SettingsWatch;
  /** Undefined where nothing is traced. */
  readonly spans: SendSpans | undefined;
  /**
   * Checks and encodes an event. `trace`: headers besides its own, left out if the event would be too large with them.
   * @throws as {@link prepareEvent}
   */
  prepare(event: AggregateEvent, trace?: Headers): OutgoingEvent;
  subjectOf(token: string): string;
}

/** A link as it stands here: a definition may come later than the connection. */
type OpenLink = { -readonly [K in keyof TopicLink]: TopicLink[K] } & {
  readonly turns: CallTurns;
  versionOf: ((type: string) => number | undefined) | undefined;
};

/** Publish calls without an outcome. */
export function pendingOf({ sequencer, checks }: TopicLink): number {
  return sequencer.pending + (checks?.turns.waiting ?? 0);
}

/** Resolves when every publish call so far has its outcome, of either kind. */
export async function flushOf({ sequencer, checks }: TopicLink): Promise<void> {
  await checks?.turns.idle();
  await sequencer.flush();
}

/**
 * Opens each declared topic once per process, and closes them all. Shared by every publisher, the client
 * and the server, so one aggregate has one queue however many places publish to it.
 */
export class TopicLinks {
  readonly #opening = new Map<string, Promise<TopicLink>>();
  readonly #opened = new Map<string, OpenLink>();
  /** What the application's definitions say of its topics, by name. */
  readonly #shapes = new Map<string, TopicShapes>();
  readonly #watchers: ((link: TopicLink) => void)[] = [];
  #tracing: Promise<Tracing | undefined> | undefined;
  /** Calls off what is being opened. */
  readonly #end = new AbortController();
  readonly #endings: (() => void)[] = [];
  #closing: Promise<void> | undefined;

  constructor(
    readonly options: ResolvedOptions,
    readonly clock: Clock,
    private readonly log: Log,
    private readonly wires: TopicWires = new NatsWires({ ...options, clock, log }),
  ) {}

  /**
   * The topic, opened by the first call.
   * @throws TOPIC_UNDECLARED, CONNECTION_FAILED, STREAM_MISMATCH and what else provisioning finds; a failed opening
   *   is tried again by the next call
   * @throws PUBLISHER_CLOSED if the transport is closed, or is closed before the topic is open
   */
  open(name: string): Promise<TopicLink> {
    if (this.#closing !== undefined) return Promise.reject(closedError(name));
    const known = this.#opening.get(name);
    if (known !== undefined) return known;
    const opening = this.#open(name).catch((cause: unknown) => {
      throw this.#closing === undefined ? cause : closedError(name, cause);
    });
    this.#opening.set(name, opening);
    opening.catch(() => this.#opening.delete(name));
    return opening;
  }

  /** The topic if it is open. */
  opened(name: string): TopicLink | undefined {
    return this.#opened.get(name);
  }

  /**
   * Takes over what a topic's definition says of its events, for all of the application. A name says nothing. Safe to
   * call often.
   * @throws OPTIONS_INVALID if another definition of this topic has shapes, too
   */
  declare(topic: TopicRef): void {
    const shapes = shapesOf(topic);
    if (shapes === undefined) return;
    const { topic: name } = shapes;
    const known = this.#shapes.get(name);
    if (known === shapes) return;
    if (known?.isChecked === true) {
      if (shapes.isChecked) throw twoDefinitions(name);
      return;
    }
    this.#shapes.set(name, shapes);
    const link = this.#opened.get(name);
    if (link !== undefined) this.#shape(link);
  }

  /** What the application's definitions say of a topic's events; undefined if it has none but names. */
  readonly shapesOf = (name: string): TopicShapes | undefined => this.#shapes.get(name);

  /** Calls back for every topic that is open, and for each that is opened later. */
  watch(opened: (link: TopicLink) => void): void {
    this.#watchers.push(opened);
    for (const link of this.#opened.values()) opened(link);
  }

  /**
   * What traces publish calls and attempts in this process; undefined where nothing is traced.
   * @throws OPTIONS_INVALID if `@opentelemetry/api` is not installed
   */
  tracing(): Promise<Tracing | undefined> {
    this.#tracing ??= this.#loadTracing();
    return this.#tracing;
  }

  async openAll(): Promise<void> {
    await Promise.all([...this.options.topics.keys()].map((name) => this.open(name)));
  }

  /** Calls back once all is closed. */
  atEnd(ended: () => void): void {
    this.#endings.push(ended);
  }

  /**
   * Calls off what is being opened, waits for open publishes, within the drain time, then closes everything. Safe to
   * call twice.
   */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #open(name: string): Promise<TopicLink> {
    const topic = this.options.topics.get(name);
    if (topic === undefined) throw undeclaredError(name, this.options);
    const log = logAt<'topic'>(this.log, { topic: name });
    const tracing = await this.tracing();
    const wire = await this.wires.open(topic, this.#end.signal);
    const turns = new CallTurns({
      maxWaiting: topic.publish.maxPending + topic.publish.maxBlocked,
      clock: this.clock,
    });
    const sequencer = new Sequencer({
      topic: name,
      connector: wire,
      maxInFlight: topic.publish.maxInFlight,
      maxPending: topic.publish.maxPending + topic.publish.maxBlocked,
      giveUpAfterMs: topic.publish.giveUpAfterMs,
      duplicateWindowMs: wire.duplicateWindowMs,
      batching: {
        maxBatch: topic.publish.maxBatch,
        maxOpenBatches: topic.publish.maxOpenBatches,
        obstacle: wire.batchObstacle,
      },
      failures: turns,
      clock: this.clock,
      log,
    });
    const link: OpenLink = {
      topic,
      turns,
      checks: undefined,
      wire,
      sequencer,
      writes: new WriteBudget(this.clock),
      settings: new SettingsWatch({ topic: name, wire, clock: this.clock, log }),
      spans: tracing && new SendSpans(tracing, name),
      prepare: (event, trace) =>
        prepareEvent(event, {
          topic: name,
          codec: topic.codec,
          maxPayloadBytes: wire.maxPayloadBytes,
          wallMs: this.clock.wallNow(),
          versionOf: link.versionOf,
          trace,
        }),
      versionOf: undefined,
      subjectOf: (token) => subjectOf(name, token),
    };
    log.write('topic-opened', {}, `topic "${name}": ${wire.description}`);
    // Without a check at start-up there is none later.
    if (topic.provision !== 'off') link.settings.start();
    this.#opened.set(name, link);
    this.#shape(link);
    for (const opened of this.#watchers) opened(link);
    return link;
  }

  async #loadTracing(): Promise<Tracing | undefined> {
    const { tracing } = this.options;
    return tracing && new Tracing({ ...tracing, api: await loadOpenTelemetry(), log: this.log });
  }

  #shape(link: OpenLink): void {
    const shapes = this.#shapes.get(link.topic.name);
    if (shapes?.isChecked !== true) return;
    const checks = new PayloadChecks(shapes, link.turns);
    link.checks = checks;
    link.versionOf = (type) => checks.versionOf(type);
  }

  async #closeAll(): Promise<void> {
    this.#end.abort(new Error('the application closes'));
    await Promise.allSettled(this.#opening.values());
    const links = [...this.#opened.values()];
    for (const { settings } of links) settings.close();
    const flushed = Promise.all(links.map(flushOf)).then(() => true);
    const late = delay(this.clock, this.options.drainMs).then(() => false);
    if (!(await Promise.race([flushed, late]))) {
      const open = links.reduce((sum, link) => sum + pendingOf(link), 0);
      const { drainMs: limitMs } = this.options;
      this.log.write(
        'publishes-unanswered',
        { count: open, limitMs },
        `${open} publish calls had no outcome within ${limitMs} ms of shutdown; they reject now`,
      );
    }
    for (const { sequencer } of links) sequencer.close();
    await this.wires.close();
    this.#opened.clear();
    this.log.flush?.();
    for (const ended of this.#endings.splice(0)) ended();
  }
}

function closedError(name: string, cause?: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'PUBLISHER_CLOSED',
    `expected an open transport for topic "${name}", found one that is shut down; publish before the application closes`,
    cause === undefined ? undefined : { cause },
  );
}

function twoDefinitions(name: string): AggregateTransportError {
  return new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected one defineTopic with shapes for topic "${name}", found two in one application: payloads would be checked ` +
      'by one of them, which one is chance; define the topic in one file and import it',
  );
}

/** @internal */
export function undeclaredError(name: string, options: ResolvedOptions): AggregateTransportError {
  const declared = [...options.topics.keys()].join(', ') || 'none';
  return new AggregateTransportError(
    'TOPIC_UNDECLARED',
    `expected a topic declared in AggregateTransportModule.forRoot({ topics }) (${declared}), found "${name}"; declare it there`,
  );
}
