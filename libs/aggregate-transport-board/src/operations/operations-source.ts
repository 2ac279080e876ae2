import type {
  GroupChangeOptions,
  GroupDetails,
  LiveGroup,
  Operations,
  ParkedSummary,
  RetryAllProgress,
} from 'nestjs-aggregate-transport/operating';
import type { Clock } from '../clock.js';
import { describeFailure } from '../failure.js';
import type {
  AggregateQuestion,
  AggregateRef,
  AggregateView,
  BoardSource,
  CommandEnd,
  FoundAggregate,
  GroupRef,
  GroupView,
  LetterLine,
  Overview,
  ProgressText,
  RewindTo,
  Trouble,
  TroubleQuestion,
} from '../source/board-source.js';
import { historyOf, letterLine, placesOf } from './aggregate-view.js';
import { changeEnd, letterEnd, retryAllEnd } from './command-ends.js';
import { findingsOf, groupLine, partitionLines, processLines } from './group-lines.js';
import { type ParkedKnown, ParkedLists } from './parked-lists.js';
import { liveTrouble, pageOf, parkedTrouble, worstFirst } from './troubles.js';

/** Of each group on the first page, and of a group on its own. */
const WORST_OF_EACH = 20;
const WORST_OF_ONE = 200;
const SHOWN_FIRST = 25;
const SHOWN_LETTERS = 50;
const FOUND = 20;
const DRAIN_MS = 600_000;

/** What the server and the processes say of a group. */
interface Stand {
  readonly details: GroupDetails;
  readonly live: LiveGroup | undefined;
  readonly note: string | undefined;
}

/** The troubles of a group on the first page. */
interface Worst {
  readonly rows: readonly Trouble[];
  readonly count: number;
  readonly note: string | undefined;
}

const NONE_PARKED: ParkedKnown = { list: [], isRead: true };

/** What the board shows and does, over the operations of the core. */
export class OperationsSource implements BoardSource {
  readonly #parked: ParkedLists;

  constructor(
    /** @throws an error that says why there are none at the moment */
    private readonly open: () => Operations,
    private readonly clock: Clock,
  ) {
    this.#parked = new ParkedLists(open, clock);
  }

  readonly overview = async (): Promise<Overview> => {
    const topics = await this.open().topics();
    const refs = topics.flatMap(({ topic, groups }) => groups.map((group): GroupRef => ({ topic, group })));
    const stands = await Promise.all(refs.map((ref) => this.#standOrNote(ref)));
    const known = stands.flatMap(({ stand }) => stand ?? []);
    const troubles = await Promise.all(known.map((stand) => this.#worstOf(stand)));
    const now = this.clock.wallNow();
    const all = worstFirst(troubles.flatMap(({ rows }) => rows));
    return {
      at: now,
      groups: known.map(({ details, live }) => groupLine(details, live)),
      troubles: all.slice(0, SHOWN_FIRST),
      troubleCount: troubles.reduce((sum, { count }) => sum + count, 0),
      findings: known.flatMap(({ live }) => findingsOf(live, now)),
      notes: [...stands.flatMap(({ note }) => note ?? []), ...troubles.flatMap(({ note }) => note ?? [])],
    };
  };

  readonly group = async (ref: GroupRef, question: TroubleQuestion): Promise<GroupView> => {
    const [stand, parked] = await Promise.all([this.#stand(ref, WORST_OF_ONE), this.#parked.of(ref)]);
    const { details, live, note } = stand;
    const now = this.clock.wallNow();
    return {
      at: now,
      group: groupLine(details, live),
      partitions: partitionLines(details, live),
      processes: processLines(live),
      findings: findingsOf(live, now),
      troubles: pageOf(this.#troublesOf(ref, live, parked.list), question),
      notes: [note, unreadNote(details, parked)].filter((one) => one !== undefined),
    };
  };

  readonly aggregate = async ({
    topic,
    aggregateId,
    limit,
    payloads,
  }: AggregateQuestion): Promise<AggregateView> => {
    const told = await this.open().aggregate({ topic, aggregateId }, { payloads, limit, live: true });
    const now = this.clock.wallNow();
    const places = placesOf(told, now);
    const letters = await this.#letters(
      places.filter((place) => place.letters > 0).map(({ group }) => ({ topic, group, aggregateId })),
      payloads,
    );
    const history = historyOf(told);
    const all = places.reduce((sum, place) => sum + place.letters, 0);
    return {
      ...{ at: now, topic, aggregateId, places, history, letters },
      events: history.length + told.left,
      older: told.left,
      moreLetters: Math.max(0, all - letters.length),
      notes: [],
    };
  };

  readonly find = async (text: string): Promise<readonly FoundAggregate[]> => {
    const found = await this.open().search(text, { limit: FOUND });
    return found.map(({ topic, aggregateId, parkedIn }) => ({ topic, aggregateId, parkedIn }));
  };

  readonly retry = (ref: AggregateRef): Promise<CommandEnd> =>
    this.#changing(ref, async () => letterEnd(await this.open().retry(ref)));

  readonly skip = (ref: AggregateRef): Promise<CommandEnd> =>
    this.#changing(ref, async () => letterEnd(await this.open().skip(ref)));

  readonly discard = (ref: AggregateRef): Promise<CommandEnd> =>
    this.#changing(ref, async () => letterEnd(await this.open().discard(ref)));

  readonly retryAll = (ref: GroupRef, progress: ProgressText): Promise<CommandEnd> =>
    this.#changing(ref, async () => {
      const onProgress = ({ total, unparked, failed }: RetryAllProgress): void =>
        progress(`${unparked + failed} of ${total} answered, ${failed} failed again`);
      return retryAllEnd(await this.open().retryAll(ref, {}, { onProgress }));
    });

  readonly repartition = async (ref: GroupRef, to: number, progress: ProgressText): Promise<CommandEnd> =>
    changeEnd(await this.open().repartition(ref, to, changing(progress)));

  readonly rewind = async (ref: GroupRef, place: RewindTo, progress: ProgressText): Promise<CommandEnd> => {
    const to = place.kind === 'start' ? 'start' : resetTarget(place);
    return changeEnd(await this.open().reset(ref, { to, ...changing(progress) }));
  };

  readonly cancel = async (ref: GroupRef): Promise<CommandEnd> =>
    (await this.open().cancelChange(ref))
      ? { isDone: true, text: 'called off; the group stays as it was' }
      : { isDone: false, text: 'no change is under way' };

  /** What is known of parked aggregates ends with a command, however that ends. */
  async #changing(ref: GroupRef, command: () => Promise<CommandEnd>): Promise<CommandEnd> {
    try {
      return await command();
    } finally {
      this.#parked.forget(ref);
    }
  }

  async #standOrNote(ref: GroupRef): Promise<{ readonly stand?: Stand; readonly note?: string }> {
    try {
      const stand = await this.#stand(ref, WORST_OF_EACH);
      return { stand, ...(stand.note === undefined ? {} : { note: stand.note }) };
    } catch (error) {
      return { note: `group "${ref.group}" on topic "${ref.topic}": ${describeFailure(error).text}` };
    }
  }

  /** What processes say may be missing; what the server says may not. */
  async #stand(ref: GroupRef, worst: number): Promise<Stand> {
    const asked = this.open()
      .askGroup(ref, { worst })
      .then(
        (live) => ({ live, note: undefined }),
        (error: unknown) => ({
          live: undefined,
          note: `the processes of group "${ref.group}" could not be asked: ${describeFailure(error).text}`,
        }),
      );
    const [details, { live, note }] = await Promise.all([this.open().group(ref), asked]);
    return { details, live, note };
  }

  async #worstOf({ details, live }: Stand): Promise<Worst> {
    const parked = details.parked === 0 ? NONE_PARKED : await this.#parked.of(details);
    const rows = this.#troublesOf(details, live, parked.list);
    const { stuck = 0, blocked = 0, retrying = 0 } = live?.trouble ?? {};
    const count = Math.max(rows.length, details.parked + stuck + blocked + retrying);
    return { rows, count, note: unreadNote(details, parked) };
  }

  #troublesOf(ref: GroupRef, live: LiveGroup | undefined, parked: readonly ParkedSummary[]): Trouble[] {
    const now = this.clock.wallNow();
    const ofMemory = (live?.worst ?? []).flatMap((one) => liveTrouble(ref, one, now) ?? []);
    const listed = new Set(parked.map(({ aggregateId }) => aggregateId));
    return [
      ...parked.map((one) => parkedTrouble(ref, one, now)),
      ...ofMemory.filter(({ aggregateId }) => !listed.has(aggregateId)),
    ];
  }

  async #letters(refs: readonly AggregateRef[], payloads: boolean): Promise<LetterLine[]> {
    const lists = await Promise.all(
      refs.map(async (ref) => {
        const { letters } = await this.open().letters(ref, { limit: SHOWN_LETTERS, payloads });
        return letters.map((letter) => letterLine(ref.group, letter));
      }),
    );
    return lists.flat();
  }
}

function changing(progress: ProgressText): GroupChangeOptions {
  return { waitMs: DRAIN_MS, onProgress: (_step, text) => progress(text) };
}

function resetTarget(
  to: Exclude<RewindTo, { readonly kind: 'start' }>,
): { time: Date } | { sequence: number } {
  return to.kind === 'time' ? { time: new Date(to.time) } : { sequence: to.sequence };
}

function unreadNote({ topic, group, parked }: GroupDetails, { isRead }: ParkedKnown): string | undefined {
  if (isRead || parked === 0) return undefined;
  return `the list of ${parked} parked aggregates of group "${group}" on topic "${topic}" is still being read`;
}
