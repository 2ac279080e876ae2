import { isSabotaged, reached } from '#sabotage';
import { type Clock, delay } from '../../clock.js';
import { AggregateTransportError, hasCode } from '../../errors.js';
import { HEADER } from '../../message/headers.js';
import type { StoredMessage } from '../../message/stored-event.js';
import { aggregateIdOf, isSubjectOfAggregate, tokenOfSubject } from '../../message/subject.js';
import { COPIED_HEADER, copiedSequence, markOf } from './copied-mark.js';
import type { Chosen } from './chosen-ids.js';
import type { CopiedEvent, CopySource, CopyTarget } from './copy-ports.js';
import { type RenamedIds, renamedBody } from './rename-ids.js';

export interface TopicCopyOptions {
  readonly source: CopySource;
  readonly target: CopyTarget;
  readonly renames: RenamedIds;
  /** Which aggregates are copied, by the ids they have in the source. */
  readonly chosen: Chosen;
  readonly clock: Clock;
  /** Nothing is written. */
  readonly dryRun: boolean;
  /** How long one event is tried while the server does not answer, in milliseconds. */
  readonly giveUpAfterMs: number;
}

/** Which part of the source one run copies. */
export interface CopyRange {
  readonly to?: number;
  readonly signal?: AbortSignal;
}

/** How far a copy has come. */
export interface CopyProgress {
  /** Every event of the source up to here is in the target. */
  readonly through: number;
  readonly copied: number;
  /** Events that an earlier run has copied. */
  readonly found: number;
}

/** What the target holds of one aggregate. */
interface Place {
  /** The source's last event that is copied. */
  through: number;
  /** The sequence of the aggregate's last event in the target. */
  last: number;
  /** That event is no copy of this source. */
  isForeign: boolean;
}

/** Events on their way at once, of all aggregates together, and their bytes. */
const MAX_IN_FLIGHT = 512;
const MAX_BYTES_IN_FLIGHT = 33_554_432;
/** Aggregates whose place is remembered. One that is forgotten is asked for again, with one request. */
const MAX_PLACES = 200_000;
const TRY_AGAIN_MS = 500;

/**
 * Copies the events of one topic into another, each aggregate in its order and each event once, while services publish
 * to the source. What is copied can be told from the target alone, so a copy that was killed is run again.
 *
 * 1. Each copied event names its original in a header.
 * 2. Before the first event of an aggregate, its last event in the target is read: everything up to the original that
 *    it names is there.
 * 3. An event is stored only if that last event is still the last. So of two copies of one event, a late one is refused
 *    whenever it arrives, after the duplicate window too. Of two processes that copy, one is refused, and reads again.
 * 4. One event of an aggregate is on its way. Aggregates are copied side by side.
 *
 * If another publisher writes to an aggregate before all of its events are copied, the copy ends with COPY_REFUSED.
 * What is left would come after newer events.
 */
export class TopicCopy {
  readonly #places = new Map<string, Place>();
  /** The last event of each aggregate that is on its way. */
  readonly #tails = new Map<string, Promise<void>>();
  readonly #running = new Set<Promise<void>>();
  #bytes = 0;
  /** Ends the wait for room. */
  #wake: () => void = () => undefined;
  #failure: Error | undefined;
  #through = 0;
  #copied = 0;
  #found = 0;

  constructor(private readonly options: TopicCopyOptions) {}

  get progress(): CopyProgress {
    return { through: this.#through, copied: this.#copied, found: this.#found };
  }

  /**
   * Copies what the source holds, from where the last call ended: up to sequence `to`, or to the end of the stream.
   * Resolves when all of it is stored; `signal` ends it early, after what is on its way. One call at a time.
   * @throws COPY_REFUSED, JETSTREAM_REQUEST_FAILED; what was copied stays, and the next run continues after it
   */
  async run({ to = Infinity, signal }: CopyRange = {}): Promise<CopyProgress> {
    let read = this.#through;
    for await (const event of this.options.source.events(read + 1)) {
      if (event.sequence > to || signal?.aborted === true || this.#failure !== undefined) break;
      await this.#whenThereIsRoom();
      this.#begin(event);
      read = event.sequence;
    }
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
    this.#through = read;
    return this.progress;
  }

  async #whenThereIsRoom(): Promise<void> {
    while (this.#running.size >= MAX_IN_FLIGHT || this.#bytes >= MAX_BYTES_IN_FLIGHT)
      await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /** After the aggregate's event before it. */
  #begin(event: StoredMessage): void {
    const { subject = '' } = event;
    const from = tokenOfSubject(subject);
    let token: string | undefined;
    try {
      token = this.#targetOf(event, from);
    } catch (error) {
      this.#fail(error);
    }
    if (token !== undefined) this.#follow(event, from, token);
  }

  #follow(event: StoredMessage, from: string, token: string): void {
    const before = this.#tails.get(token) ?? Promise.resolve();
    this.#bytes += event.body.length;
    const copied = before
      .then(() => (this.#failure === undefined ? this.#copy(event, from, token) : undefined))
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#bytes -= event.body.length;
        this.#running.delete(copied);
        if (this.#tails.get(token) === copied) this.#tails.delete(token);
        this.#wake();
      });
    this.#tails.set(token, copied);
    this.#running.add(copied);
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
  }

  /**
   * Undefined for an aggregate that is not chosen.
   * @throws COPY_REFUSED for an event that is no aggregate's, and for a name that two aggregates would have
   */
  #targetOf({ subject = '', sequence }: StoredMessage, from: string): string | undefined {
    const { source, renames, chosen } = this.options;
    if (isSubjectOfAggregate(subject, source.topic, from))
      return chosen(aggregateIdOf(from)) ? renames.tokenOf(from) : undefined;
    throw new AggregateTransportError(
      'COPY_REFUSED',
      `expected each event of topic "${source.topic}" to lie on the subject of its aggregate, found event ${sequence} on ` +
        `"${subject}": no aggregate has it, so it has no order; remove it (nats stream rmm ${source.topic} ${sequence})`,
    );
  }

  async #copy(message: StoredMessage, from: string, token: string): Promise<void> {
    const place = await this.#placeOf(token);
    if (message.sequence <= place.through) {
      this.#found++;
      return;
    }
    requireOwn(this.options, token, place);
    if (this.options.dryRun) place.through = message.sequence;
    else await this.#store(this.#eventOf(message, from, token), place, message.sequence);
    this.#copied++;
  }

  async #store(event: CopiedEvent, place: Place, sequence: number): Promise<void> {
    const { target, clock, giveUpAfterMs } = this.options;
    const until = clock.now() + giveUpAfterMs;
    while (place.through < sequence) {
      requireOwn(this.options, event.token, place);
      try {
        const after = isSabotaged('copy-not-compared') ? undefined : place.last;
        const answer = await target.store(event, after);
        if (answer.kind === 'refused') throw refusedError(this.options, event.token, answer.reason);
        if (answer.kind === 'stored' && !answer.duplicate) {
          Object.assign(place, { through: sequence, last: answer.sequence });
          reached('copy: event stored');
          return;
        }
        const found = await this.#read(event.token);
        if (answer.kind === 'stored' && found.through < sequence)
          throw refusedError(this.options, event.token, 'its id stored by another publisher');
        Object.assign(place, found);
      } catch (error) {
        if (!hasCode(error, 'JETSTREAM_REQUEST_FAILED') || clock.now() >= until) throw error;
        // It may be stored. If it is not, it is refused should it arrive after the next one.
        await delay(clock, TRY_AGAIN_MS);
        if (!isSabotaged('copy-not-compared'))
          Object.assign(place, await this.#read(event.token).catch(() => place));
      }
    }
  }

  #eventOf({ headers, body, sequence }: StoredMessage, from: string, token: string): CopiedEvent {
    const own = Object.entries(headers).filter(([name]) => !name.startsWith('Nats-'));
    const id = headers[HEADER.messageId];
    // Without an id of its own an event gets one from its place.
    const eventId = id?.startsWith(`${from}:`) === true ? id.slice(from.length + 1) : id;
    const mark = markOf(this.options.source, sequence);
    const [oldId, newId] = [aggregateIdOf(from), aggregateIdOf(token)];
    return {
      token,
      headers: {
        ...Object.fromEntries(own),
        [HEADER.messageId]: `${token}:${eventId ?? `copy-${mark.replaceAll(' ', '-')}`}`,
        [COPIED_HEADER]: mark,
      },
      body: token === from ? body : renamedBody(body, oldId, newId),
    };
  }

  async #placeOf(token: string): Promise<Place> {
    const known = this.#places.get(token);
    if (known !== undefined) return known;
    const place = await this.#read(token);
    if (this.#places.size >= MAX_PLACES) this.#forgetSome();
    this.#places.set(token, place);
    return place;
  }

  #forgetSome(): void {
    for (const token of this.#places.keys()) {
      if (this.#places.size < MAX_PLACES / 2) return;
      // Of one that is on its way the place must not be known twice. A dry run has nothing to ask again.
      if (!this.#tails.has(token) && !this.options.dryRun) this.#places.delete(token);
    }
  }

  async #read(token: string): Promise<Place> {
    const { source, target } = this.options;
    const last = await target.last(token);
    if (last === undefined) return { through: 0, last: 0, isForeign: false };
    const through = copiedSequence(last.headers, source);
    if (through !== undefined) return { through, last: last.sequence, isForeign: false };
    let highest = 0;
    for await (const { headers } of target.history(token))
      highest = Math.max(highest, copiedSequence(headers, source) ?? 0);
    return { through: highest, last: last.sequence, isForeign: true };
  }
}

function requireOwn({ source, target }: TopicCopyOptions, token: string, { isForeign, last }: Place): void {
  if (!isForeign) return;
  throw new AggregateTransportError(
    'COPY_REFUSED',
    `expected no publisher but this copy to write to aggregate "${aggregateIdOf(token)}" of topic "${target.topic}" until ` +
      `all its events of "${source.topic}" are there, found event ${last}; what is left would come after newer events: ` +
      'copy into another topic, or purge this aggregate there',
  );
}

function refusedError({ target }: TopicCopyOptions, token: string, found: string): AggregateTransportError {
  return new AggregateTransportError(
    'COPY_REFUSED',
    `expected topic "${target.topic}" to take an event of aggregate "${aggregateIdOf(token)}", found ${found}; ` +
      'correct it and run the copy again: it continues',
  );
}
