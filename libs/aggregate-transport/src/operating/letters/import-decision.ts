/** A letter that is to be imported. */
export interface ImportedPlace {
  /** Of its event, in the stream that it names. */
  readonly sequence: number;
  /** When that stream was made. */
  readonly stream: string;
  /** Undefined if its body tells none. */
  readonly eventId: string | undefined;
}

/** An event of the aggregate in the topic as it is now. */
export interface EventPlace {
  readonly sequence: number;
  readonly eventId: string | undefined;
  /** In the confirmed position of the group. */
  readonly isSettled: boolean;
}

/** The topic as it is now. */
export interface TopicPlace {
  /** When its stream was made. */
  readonly created: string;
  readonly lastSequence: number;
}

export type ImportDecision =
  /** The stream that each letter names from now on. */
  { readonly streams: readonly string[] } | { readonly refused: string };

/**
 * May these letters become the letters of an aggregate that is not parked here, while no replica runs? Pure.
 *
 * A letter is of this stream if it names it, or if the event at its sequence has its id: the topic was restored. Else
 * it is of another one; its event may be here too, copied, under another sequence.
 *
 * 1. What is handled stays before what is not: no event after the first letter may be settled unless it is a letter.
 * 2. Letters end with the last one. Later events become letters as they come. An earlier one that is not settled would
 *    count as a letter, and would be lost.
 * 3. The event of a letter of another stream must be settled if it is here: else it comes by itself.
 * 4. Sequences rise, and the stream has reached them: the owner would halt otherwise.
 */
export function decideImport(
  letters: readonly ImportedPlace[],
  events: readonly EventPlace[],
  topic: TopicPlace,
): ImportDecision {
  const places = letters.map((letter) => placeOf(letter, events, topic));
  const disorder = places.find(({ sequence, isOwn }, index) =>
    places.some((other, before) => before < index && other.isOwn === isOwn && other.sequence >= sequence),
  );
  if (disorder !== undefined) return { refused: `letters out of order at event ${disorder.sequence}` };
  const beyond = places.find(({ isOwn, sequence }) => isOwn && sequence > topic.lastSequence);
  if (beyond !== undefined)
    return { refused: `a letter of event ${beyond.sequence}, and the stream ends at ${topic.lastSequence}` };
  const coming = places.find(({ isOwn, here }) => !isOwn && here !== undefined && !here.isSettled);
  if (coming?.here !== undefined)
    return { refused: `event ${coming.here.sequence}, which is a letter and comes to the group by itself` };
  const misplaced = misplacedEvent(places, events);
  if (misplaced !== undefined) return { refused: misplaced };
  return {
    streams: places.map(({ isOwn }, index) => (isOwn ? topic.created : (letters[index]?.stream ?? ''))),
  };
}

interface PlacedLetter {
  readonly sequence: number;
  readonly isOwn: boolean;
  /** Its event in this stream. */
  readonly here: EventPlace | undefined;
}

function placeOf(
  { sequence, stream, eventId }: ImportedPlace,
  events: readonly EventPlace[],
  topic: TopicPlace,
): PlacedLetter {
  const here = events.find((event) =>
    stream === topic.created
      ? event.sequence === sequence
      : eventId !== undefined && event.eventId === eventId,
  );
  return { sequence, here, isOwn: stream === topic.created || here?.sequence === sequence };
}

function misplacedEvent(places: readonly PlacedLetter[], events: readonly EventPlace[]): string | undefined {
  const own = new Set(places.map(({ here }) => here));
  const sequences = places.flatMap(({ isOwn, sequence, here }) =>
    isOwn ? [sequence] : here === undefined ? [] : [here.sequence],
  );
  // A letter whose event was never here lies before all events that are.
  const isFirstElsewhere = places[0]?.isOwn === false && places[0].here === undefined;
  const first = isFirstElsewhere ? 0 : Math.min(...sequences);
  const last = Math.max(0, ...places.filter(({ isOwn }) => isOwn).map(({ sequence }) => sequence));
  for (const event of events) {
    if (own.has(event)) continue;
    const { sequence, isSettled } = event;
    if (isSettled && sequence > first)
      return `event ${sequence}, which is handled and comes after the first letter`;
    if (!isSettled && sequence < last)
      return `event ${sequence}, which is not handled and comes before the last letter`;
  }
  return undefined;
}
