/** The header by which a copied event names the one that it is a copy of. */
export const COPIED_HEADER = 'Aggregate-Transport-Copied';

/** A stream that is copied: a name, and when the stream of that name was made. */
export interface CopiedStream {
  readonly topic: string;
  readonly created: string;
}

/** The header's value: topic, when its stream was made, and sequence. Pure. */
export function markOf({ topic, created }: CopiedStream, sequence: number): string {
  return `${topic} ${created} ${sequence}`;
}

/** The sequence that a header names in this stream; undefined if it names another stream, or there is none. Pure. */
export function copiedSequence(
  headers: Readonly<Record<string, string>>,
  { topic, created }: CopiedStream,
): number | undefined {
  const [of, at, sequence] = (headers[COPIED_HEADER] ?? '').split(' ');
  const found = Number(sequence);
  return of === topic && at === created && Number.isSafeInteger(found) && found > 0 ? found : undefined;
}
