import { Inject, Injectable } from '@nestjs/common';
import { AggregateTransportError } from '../../errors.js';
import { decodeBody } from '../../message/codec.js';
import type { Envelope } from '../../message/envelope.js';
import { newEventId } from '../../message/event-id.js';
import type { ParkReason } from '../../message/park-reason.js';
import { type TopicRef, topicNameOf } from '../../message/topic.js';
import { withPayload } from '../../operating/letters/edited-body.js';
import { findParked } from '../../operating/letters/find-parked.js';
import { type EditResult, LetterEditor } from '../../operating/letters/letter-edit.js';
import type { ParkedArchive } from '../../parking/parked-port.js';
import type { Letter } from '../../records/letter.js';
import type { ParkedCommandKind } from '../../records/marker.js';
import { type CommandResult, ParkedCommands } from '../../operating/commands/operator-commands.js';
import {
  type LetterSummary,
  letterSummaryOf,
  type ParkedSummary,
  summaryOf,
} from '../../operating/commands/parked-summary.js';
import { DEFAULT_RATE, retryEach, type RetryAllResult } from '../../operating/commands/retry-each.js';
import { type TopicLink, TopicLinks } from '../../transport/open-topics.js';

/** Names a parked aggregate. */
export interface ParkedAddress {
  /** A name, or what `defineTopic` returned. */
  readonly topic: TopicRef;
  /** @default the group of `forRoot` */
  readonly group?: string;
  /** The aggregate's id, as its publisher gives it. */
  readonly aggregateId: string;
}

/** Which parked aggregates are meant. Conditions are joined by "and". */
export interface ParkedFilter {
  /** A name, or what `defineTopic` returned. */
  readonly topic: TopicRef;
  /** @default the group of `forRoot` */
  readonly group?: string;
  /** Why they were parked. */
  readonly reason?: ParkReason;
  /** Parked at least this long ago, in milliseconds. */
  readonly olderThanMs?: number;
  /** The type of the first letter. */
  readonly type?: string;
  /** A part of the error's text, or a pattern. */
  readonly error?: string | RegExp;
}

/** Names a letter of a parked aggregate. */
export interface LetterRef extends ParkedAddress {
  /** Of its event in the topic's stream. @default the first letter's */
  readonly sequence?: number;
}

/** How a letter is edited. */
export interface EditOptions {
  /** Why, for those who read the history: up to 1 000 characters. */
  readonly comment?: string;
  /** How long to wait while its letters are being replayed, in milliseconds. @default 30 000 */
  readonly waitMs?: number;
}

/** Which part of a list is given. */
export interface ParkedPage {
  /** At most so many, from 1. @default 100 */
  readonly limit?: number;
  /** Only aggregates after this one: the last of the page before. */
  readonly after?: string;
}

/** A parked aggregate, as a list shows it. */
export interface ParkedAggregate extends ParkedSummary {
  /** The topic of its events. */
  readonly topic: string;
  /** The group that parked it. */
  readonly group: string;
}

/** An event that waits in the parked stream. */
export interface ParkedLetter extends LetterSummary {
  /** The event's body, or what an operator wrote in its place. */
  readonly body: Uint8Array;
  /** Undefined if the body is no envelope. */
  readonly event: Envelope | undefined;
}

const PAGE = 100;
const DEFAULT_WAIT_MS = 30_000;

/**
 * The parked aggregates of this service's topics, for its operators: what waits and why, and what to do with it. Every
 * call works from any process that has the topic declared; the owner of the aggregate's partition carries it out. All
 * reject with TOPIC_UNDECLARED, GROUP_MISSING or JETSTREAM_REQUEST_FAILED where they cannot work.
 */
@Injectable()
export class ParkedAggregates {
  constructor(@Inject(TopicLinks) private readonly links: TopicLinks) {}

  /** Parked aggregates, sorted by id, a page at a time. */
  async list(
    filter: ParkedFilter,
    { limit = PAGE, after = '' }: ParkedPage = {},
  ): Promise<ParkedAggregate[]> {
    const all = await this.#matching(filter);
    return all.filter(({ aggregateId }) => aggregateId > after).slice(0, Math.max(1, limit));
  }

  /** The letters of one aggregate, in order; none if it is not parked. */
  async *letters(address: ParkedAddress): AsyncGenerator<ParkedLetter> {
    const { link, commands } = await this.#open(address);
    for await (const letter of commands.letters(address.aggregateId)) yield letterOf(link, letter);
  }

  /** Events that were skipped, oldest first: holes in the order of their aggregates. */
  async *skipped(where: Pick<ParkedFilter, 'topic' | 'group'>): AsyncGenerator<ParkedLetter> {
    const { link, commands } = await this.#open(where);
    for await (const letter of commands.skipped()) yield letterOf(link, letter);
  }

  /**
   * Runs the letters through the handler again, first to last, in the owner's lane of the aggregate, until one fails or
   * none is left. Resolves when that has happened, or with `running` after `waitMs` (default 30 000).
   * @throws NOT_PARKED, COMMAND_UNANSWERED
   */
  retry(address: ParkedAddress, options: { waitMs?: number } = {}): Promise<CommandResult> {
    return this.#command(address, 'retry', options.waitMs);
  }

  /**
   * Drops the first letter for good: a hole in the order of the aggregate. It stays parked if letters are left.
   * @throws NOT_PARKED, COMMAND_UNANSWERED
   */
  skipHead(address: ParkedAddress, options: { waitMs?: number } = {}): Promise<CommandResult> {
    return this.#command(address, 'skipHead', options.waitMs);
  }

  /**
   * Drops all letters for good, and the aggregate is live again with its next event.
   * @throws NOT_PARKED, COMMAND_UNANSWERED
   */
  discard(address: ParkedAddress, options: { waitMs?: number } = {}): Promise<CommandResult> {
    return this.#command(address, 'discard', options.waitMs);
  }

  /**
   * Puts another payload in a letter's place. It keeps its sequence and its order, and is handled by the next
   * {@link retry}; `ctx.edit` names the edit there. The original is kept in the parked stream and is never handled.
   * Settles when the edit stands: a replay that begins later handles the edited form. Two calls for one letter: the
   * later one counts if it saw the first, else it rejects.
   * @throws NOT_PARKED, LETTER_UNKNOWN, EDIT_REFUSED, EVENT_TOO_LARGE (above max_payload less 8 KiB), PARK_REFUSED
   * @throws ENVELOPE_INVALID if the letter has no envelope, PAYLOAD_NOT_SERIALIZABLE
   */
  async edit(ref: LetterRef, payload: unknown, options: EditOptions = {}): Promise<EditResult> {
    const { topic, group, link, port } = await this.#open(ref);
    const { clock } = this.links;
    const editor = new LetterEditor({
      name: `topic "${topic}", group "${group}"`,
      ...{
        port,
        clock,
        newId: () => newEventId(clock.wallNow()),
        maxPayloadBytes: link.wire.maxPayloadBytes,
      },
    });
    const found = await editor.find(ref);
    const { aggregateId } = ref;
    const body = withPayload(link.topic.codec, { ...found.letter, aggregateId }, payload);
    return editor.edit(aggregateId, found, { waitMs: DEFAULT_WAIT_MS, ...options, body });
  }

  /** What is kept of an aggregate's edits, oldest first: originals that were replaced, and edited forms. */
  async *edits(address: ParkedAddress): AsyncGenerator<ParkedLetter> {
    const { link, commands } = await this.#open(address);
    for await (const letter of commands.edits(address.aggregateId)) yield letterOf(link, letter);
  }

  /**
   * {@link retry} for every aggregate that matches, at most `ratePerSecond` (default 20) begun each second. Resolves
   * when each is answered. Safe to call again.
   */
  async retryAll(
    filter: ParkedFilter,
    { ratePerSecond = DEFAULT_RATE, waitMs }: { ratePerSecond?: number; waitMs?: number } = {},
  ): Promise<RetryAllResult> {
    const found = await this.#matching(filter);
    return retryEach(
      found.map(({ aggregateId }) => aggregateId),
      (aggregateId) => this.retry({ ...filter, aggregateId }, waitMs === undefined ? {} : { waitMs }),
      { ratePerSecond, clock: this.links.clock },
    );
  }

  async #command(
    address: ParkedAddress,
    kind: ParkedCommandKind,
    waitMs = DEFAULT_WAIT_MS,
  ): Promise<CommandResult> {
    const { commands } = await this.#open(address);
    return commands.command(address.aggregateId, kind, waitMs);
  }

  async #matching(filter: ParkedFilter): Promise<ParkedAggregate[]> {
    const { topic, group, link, commands } = await this.#open(filter);
    const before = this.links.clock.wallNow() - (filter.olderThanMs ?? 0);
    const found = await findParked(commands, [filter], (head) => decoded(link, head)?.event_type);
    return found
      .filter(({ marker }) => marker.since <= before)
      .map((parked) => ({ topic, group, ...summaryOf(parked) }))
      .sort((a, b) => (a.aggregateId < b.aggregateId ? -1 : 1));
  }

  async #open({ topic: ref, group: named }: Pick<ParkedFilter, 'topic' | 'group'>): Promise<{
    topic: string;
    group: string;
    link: TopicLink;
    port: ParkedArchive;
    commands: ParkedCommands;
  }> {
    const topic = topicNameOf(ref, 'ParkedAggregates');
    const group = named ?? this.links.options.group;
    if (group === undefined) {
      throw new AggregateTransportError(
        'GROUP_MISSING',
        'expected a consumer group, found none; name it in the call, or set group in AggregateTransportModule.forRoot',
      );
    }
    const { clock } = this.links;
    const link = await this.links.open(topic);
    const port = link.wire.parkedArchive(group);
    const commands = new ParkedCommands({
      name: `topic "${topic}", group "${group}"`,
      port,
      clock,
      newId: () => newEventId(clock.wallNow()),
    });
    return { topic, group, link, port, commands };
  }
}

function letterOf(link: TopicLink, letter: Letter): ParkedLetter {
  return { ...letterSummaryOf(letter), body: letter.body, event: decoded(link, letter) };
}

function decoded(link: TopicLink, { body, headers }: Letter): Envelope | undefined {
  try {
    return decodeBody(link.topic.codec, body, () => headers) as Envelope;
  } catch {
    return undefined;
  }
}
