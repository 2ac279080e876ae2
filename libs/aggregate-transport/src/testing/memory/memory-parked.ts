import type { Clock } from '../../clock.js';
import { bitsOf, fnv1a32 } from '../../message/partitioning.js';
import { decodeNote, encodeNote, type Letter, type LetterNote } from '../../records/letter.js';
import type { Marker, StoredMarker } from '../../records/marker.js';
import type { Appended, LetterEvent, ParkedArchive } from '../../parking/parked-port.js';

export interface MemoryParkedOptions {
  /** Letters it has room for; bytes are not counted here. */
  readonly maxLetters: number;
  readonly clock: Clock;
  /** A request or an announcement has arrived. */
  readonly moved: () => void;
}

const NS_PER_MS = 1_000_000n;

/** The letters of one aggregate in one group, or its skipped events. */
interface Place {
  readonly group: string;
  readonly token: string;
  readonly isSkipped: boolean;
}

interface MarkerListener {
  readonly group: string;
  readonly bits: string;
  readonly callback: (token: string, marker: Marker) => void;
}

/**
 * The parked events of all groups of a topic, in memory. A marker is compared by its revision. A letter is compared by
 * the last letter of its aggregate that is still there, as on a nats-server.
 */
export class MemoryParked {
  #markers: (StoredMarker & { readonly group: string })[] = [];
  #letters: (Letter & Place)[] = [];
  readonly #listeners = new Set<MarkerListener>();
  #revision = 0;
  #position = 0;

  constructor(private readonly options: MemoryParkedOptions) {}

  /** True if the group has a marker, a letter or a skipped event. */
  holds(group: string): boolean {
    return [...this.#markers, ...this.#letters].some((found) => found.group === group);
  }

  /** The highest epoch in a marker of the group; 0 if there is none. */
  highestEpoch(group: string): number {
    const own = this.#markers.filter((found) => found.group === group);
    return Math.max(0, ...own.map(({ marker }) => marker.epoch));
  }

  /** What a group has, and the last position and revision that were given. */
  countOf(group: string): { aggregates: number; letters: number; position: number; revision: number } {
    return {
      aggregates: this.#markers.filter((found) => found.group === group).length,
      letters: this.#letters.filter((found) => found.group === group).length,
      position: this.#position,
      revision: this.#revision,
    };
  }

  /** Removes what a group has up to a position and a revision. */
  removeOf(group: string, { position, revision }: { position: number; revision: number }): void {
    this.#letters = this.#letters.filter((one) => one.group !== group || one.position > position);
    this.#markers = this.#markers.filter((one) => one.group !== group || one.revision > revision);
  }

  /** The position of the last letter ever stored. */
  get lastPosition(): number {
    return this.#position;
  }

  /** Letters and skipped events of an aggregate, by group. */
  lettersOf(token: string): readonly { readonly group: string; readonly count: number }[] {
    const own = this.#letters.filter((letter) => letter.token === token);
    const groups = [...new Set(own.map(({ group }) => group))];
    return groups.map((group) => ({ group, count: own.filter((letter) => letter.group === group).length }));
  }

  /** Removes letters and skipped events of an aggregate in all groups, up to a position. Returns their number. */
  purge(token: string, through: number): number {
    const before = this.#letters.length;
    this.#keep((letter) => letter.token !== token || letter.position > through);
    return before - this.#letters.length;
  }

  /** The way to the parked aggregates of one partition, or of the whole group if `bits` is empty. */
  connect(group: string, bits: string): ParkedArchive {
    let listener: MarkerListener | undefined;
    const placeOf = (token: string): Place => ({ group, token, isSkipped: false });
    const mine = (): StoredMarker[] =>
      this.#markers.filter((found) => found.group === group && isWithin(bits, found.token)).map(copyOf);
    const keep: ParkedArchive['appendSkipped'] = (event, note) => {
      const place = { ...placeOf(event.token), isSkipped: true };
      const sent = noteOf(event, { ...note, marker: 0 });
      return this.#later(() => this.#appendOnce(event, sent, place));
    };
    return {
      markers: () => this.#later(mine),
      markedTokens: () => this.#later(() => mine().map(({ token }) => token)),
      readMarker: (token) => this.#later(() => mine().find((found) => found.token === token)),
      writeMarker: (token, marker, revision) => {
        const sent = structuredClone(marker);
        return this.#later(() => this.#write(group, { token, marker: sent, revision }));
      },
      removeMarker: (revision) =>
        this.#later(() => {
          const before = this.#markers.length;
          this.#markers = this.#markers.filter((found) => found.revision !== revision);
          return this.#markers.length < before;
        }),
      onMarker: (callback) => {
        listener = { group, bits, callback };
        this.#listeners.add(listener);
      },
      append: (events, note, after) => {
        const place = placeOf(events[0]?.token ?? '');
        const sent = events.map((event) => ({ event, note: noteOf(event, note) }));
        return this.#later(() => this.#append(sent, place, after));
      },
      appendSkipped: keep,
      appendEdit: keep,
      at: (position) =>
        this.#later(() => this.#ofGroup(group).find((letter) => letter.position === position)),
      next: (token, after) => this.#later(() => this.#after(placeOf(token), after)[0]),
      page: (token, after, { count }) =>
        this.#later(() => this.#after(placeOf(token), after).slice(0, count)),
      last: (token) => this.#later(() => this.#at(placeOf(token)).at(-1)),
      lettered: () => this.#later(() => this.#lettered(group, bits)),
      nextSkipped: (after, token) => this.#later(() => this.#skippedAfter(group, after, token)),
      removeLetter: (position) => this.#later(() => this.#keep((letter) => letter.position !== position)),
      removeThrough: (token, position) => this.#later(() => this.#removeThrough(placeOf(token), position)),
      letterCounts: () =>
        this.#later(() => new Map(mine().map(({ token }) => [token, this.#at(placeOf(token)).length]))),
      close: () => {
        if (listener !== undefined) this.#listeners.delete(listener);
      },
    };
  }

  /** The request arrives in a later turn of the event loop, and the answer in another, as over a network. */
  #later<T>(carryOut: () => T): Promise<T> {
    const { clock, moved } = this.options;
    return new Promise((resolve) =>
      clock.nextTurn(() => {
        const answer = carryOut();
        moved();
        clock.nextTurn(() => {
          moved();
          resolve(answer);
        });
      }),
    );
  }

  #ofGroup(group: string): (Letter & Place)[] {
    return this.#letters.filter((letter) => letter.group === group);
  }

  #skippedAfter(group: string, after: number, of: string | undefined): Letter | undefined {
    return this.#ofGroup(group).find(
      ({ isSkipped, position, token }) => isSkipped && position > after && (of ?? token) === token,
    );
  }

  #lettered(group: string, bits: string): string[] {
    const own = this.#letters.filter((letter) => letter.group === group && !letter.isSkipped);
    return [...new Set(own.map(({ token }) => token))].filter((token) => isWithin(bits, token));
  }

  #write(group: string, { token, marker, revision }: StoredMarker): number | undefined {
    // A server announces a write to its listeners before it compares revisions.
    for (const listener of this.#listeners) {
      if (listener.group !== group || !isWithin(listener.bits, token)) continue;
      this.options.clock.nextTurn(() => {
        this.options.moved();
        if (this.#listeners.has(listener)) listener.callback(token, structuredClone(marker));
      });
    }
    const found = this.#markers.find((other) => other.group === group && other.token === token);
    if ((found?.revision ?? 0) !== revision) return undefined;
    this.#markers = this.#markers.filter((other) => other !== found);
    this.#markers.push({ group, token, marker, revision: ++this.#revision });
    return this.#revision;
  }

  /** All of them, or none: what does not fit together is stored one by one, as on a server without batches. */
  #append(
    letters: readonly { readonly event: LetterEvent; readonly note: LetterNote }[],
    place: Place,
    after: number,
  ): Appended {
    if ((this.#at(place).at(-1)?.position ?? 0) !== after) return { kind: 'moved' };
    const fits = this.#letters.length + letters.length <= this.options.maxLetters;
    const taken = fits ? letters : letters.slice(0, 1);
    let stored: Appended = { kind: 'moved' };
    for (const { event, note } of taken) stored = this.#store(event, note, place);
    return stored.kind === 'stored' ? { ...stored, count: taken.length } : stored;
  }

  #appendOnce(event: LetterEvent, note: LetterNote, place: Place): Appended {
    // As in the id of a skipped event: a sequence of another stream means another event.
    const known = this.#at(place).find(
      (letter) =>
        letter.note.sequence === note.sequence &&
        letter.note.stream === note.stream &&
        letter.note.edit?.id === note.edit?.id &&
        letter.note.replacedBy === note.replacedBy,
    );
    return known === undefined
      ? this.#store(event, note, place)
      : { kind: 'stored', position: known.position, count: 1 };
  }

  #store({ origin }: LetterEvent, note: LetterNote, place: Place): Appended {
    if (this.#letters.length >= this.options.maxLetters) {
      return { kind: 'refused', reason: 'maximum messages exceeded' };
    }
    const own = Object.entries(origin.readHeaders()).filter(([name]) => !name.startsWith('Nats-'));
    const position = ++this.#position;
    this.#letters.push({
      ...place,
      position,
      note,
      headers: Object.fromEntries(own),
      body: origin.body,
    });
    return { kind: 'stored', position, count: 1 };
  }

  #after(place: Place, after: number): Letter[] {
    return this.#at(place).filter(({ position }) => position > after);
  }

  #removeThrough(place: Place, position: number): void {
    const removed = new Set(this.#at(place).filter((letter) => letter.position <= position));
    this.#keep((letter) => !removed.has(letter));
  }

  #keep(isKept: (letter: Letter) => boolean): void {
    this.#letters = this.#letters.filter(isKept);
  }

  #at({ group, token, isSkipped }: Place): Letter[] {
    return this.#letters.filter(
      (letter) => letter.group === group && letter.token === token && letter.isSkipped === isSkipped,
    );
  }
}

/** The note as it comes back from the header that carries it. */
function noteOf(
  { sequence, origin }: LetterEvent,
  note: Omit<LetterNote, 'sequence' | 'storedAt'>,
): LetterNote {
  const storedAt = Number(BigInt(origin.readStoredAt()) / NS_PER_MS);
  const whole: LetterNote = { ...note, sequence, storedAt };
  return decodeNote(encodeNote(whole)) ?? whole;
}

function isWithin(bits: string, token: string): boolean {
  return bits === '' || `${bitsOf(fnv1a32(token))}.`.startsWith(`${bits}.`);
}

function copyOf({ token, marker, revision }: StoredMarker): StoredMarker {
  return { token, marker: structuredClone(marker), revision };
}
