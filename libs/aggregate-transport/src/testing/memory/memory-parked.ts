import type { Clock } from '../../clock.js';
import { bitsOf, fnv1a32 } from '../../message/partitioning.js';
import { decodeNote, encodeNote, type Letter, type LetterNote } from '../../records/letter.js';
import type { Marker, StoredMarker } from '../../records/marker.js';
import type { Appended, LetterEvent, ParkedArchive } from '../../parking/parked-port.js';
import type { MemoryStream } from './memory-stream.js';

export interface MemoryParkedOptions {
  readonly stream: MemoryStream;
  /** Letters it has room for; bytes are not counted here. */
  readonly maxLetters: number;
  readonly clock: Clock;
  /** Something was asked or written. */
  readonly moved: () => void;
}

/** Whose letters: those of one group, of one aggregate. A skipped event lies beside its aggregate's letters. */
interface Place {
  readonly group: string;
  readonly token: string;
  readonly isSkipped: boolean;
}

interface Hearer {
  readonly group: string;
  readonly bits: string;
  readonly callback: (token: string, marker: Marker) => void;
}

/**
 * A topic's parked events in memory, of all its groups: one marker per aggregate, compared by its revision, and
 * letters, compared by the last one of their aggregate that is still there, as a nats-server does.
 */
export class MemoryParked {
  #markers: (StoredMarker & { readonly group: string })[] = [];
  #letters: (Letter & Place)[] = [];
  readonly #hearers = new Set<Hearer>();
  #revision = 0;
  #position = 0;

  constructor(private readonly options: MemoryParkedOptions) {}

  /** The way of one partition to its parked aggregates, or with `bits` `''` of the whole group. */
  connect(group: string, bits: string): ParkedArchive {
    let hearer: Hearer | undefined;
    const placeOf = (token: string): Place => ({ group, token, isSkipped: false });
    const mine = (): StoredMarker[] =>
      this.#markers.filter((found) => found.group === group && isWithin(bits, found.token)).map(copyOf);
    return {
      markers: () => this.#later(mine),
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
        hearer = { group, bits, callback };
        this.#hearers.add(hearer);
      },
      append: (event, note, after) => {
        const place = placeOf(event.token);
        const sent = this.#noteOf(event, note);
        return this.#later(() => this.#append(event, sent, place, after));
      },
      appendSkipped: (event, note) => {
        const place = { ...placeOf(event.token), isSkipped: true };
        const sent = this.#noteOf(event, { ...note, marker: 0 });
        return this.#later(() => this.#appendOnce(event, sent, place));
      },
      next: (token, after) =>
        this.#later(() => this.#at(placeOf(token)).find(({ position }) => position > after)),
      last: (token) => this.#later(() => this.#at(placeOf(token)).at(-1)),
      nextSkipped: (after) =>
        this.#later(() =>
          this.#letters.find(
            (letter) => letter.group === group && letter.isSkipped && letter.position > after,
          ),
        ),
      removeLetter: (position) =>
        this.#later(() => {
          this.#letters = this.#letters.filter((letter) => letter.position !== position);
        }),
      letterCounts: () =>
        this.#later(() => new Map(mine().map(({ token }) => [token, this.#at(placeOf(token)).length]))),
      close: () => {
        if (hearer !== undefined) this.#hearers.delete(hearer);
      },
    };
  }

  /** There in one turn of the event loop and back in another, as over a network. */
  #later<T>(carryOut: () => T): Promise<T> {
    const { clock, moved } = this.options;
    return new Promise((resolve) =>
      clock.nextTurn(() => {
        const answer = carryOut();
        moved();
        clock.nextTurn(() => resolve(answer));
      }),
    );
  }

  #write(group: string, { token, marker, revision }: StoredMarker): number | undefined {
    // Who listens hears what is written, whether it is taken or not.
    for (const hearer of this.#hearers) {
      if (hearer.group !== group || !isWithin(hearer.bits, token)) continue;
      this.options.clock.nextTurn(() => {
        if (this.#hearers.has(hearer)) hearer.callback(token, structuredClone(marker));
      });
    }
    const found = this.#markers.find((other) => other.group === group && other.token === token);
    if ((found?.revision ?? 0) !== revision) return undefined;
    this.#markers = this.#markers.filter((other) => other !== found);
    this.#markers.push({ group, token, marker, revision: ++this.#revision });
    return this.#revision;
  }

  #append(event: LetterEvent, note: LetterNote, place: Place, after: number): Appended {
    if ((this.#at(place).at(-1)?.position ?? 0) !== after) return { kind: 'moved' };
    return this.#store(event, note, place);
  }

  #appendOnce(event: LetterEvent, note: LetterNote, place: Place): Appended {
    const known = this.#at(place).find((letter) => letter.note.sequence === note.sequence);
    return known === undefined
      ? this.#store(event, note, place)
      : { kind: 'stored', position: known.position };
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
    return { kind: 'stored', position };
  }

  #at({ group, token, isSkipped }: Place): Letter[] {
    return this.#letters.filter(
      (letter) => letter.group === group && letter.token === token && letter.isSkipped === isSkipped,
    );
  }

  /** As it comes back from the header it travels in. */
  #noteOf({ sequence }: LetterEvent, note: Omit<LetterNote, 'sequence' | 'storedAt'>): LetterNote {
    const stored = this.options.stream.messages[sequence - 1]?.storedAt ?? '';
    const whole: LetterNote = { ...note, sequence, storedAt: Date.parse(stored) };
    return decodeNote(encodeNote(whole)) ?? whole;
  }
}

function isWithin(bits: string, token: string): boolean {
  return bits === '' || `${bitsOf(fnv1a32(token))}.`.startsWith(`${bits}.`);
}

function copyOf({ token, marker, revision }: StoredMarker): StoredMarker {
  return { token, marker: structuredClone(marker), revision };
}
