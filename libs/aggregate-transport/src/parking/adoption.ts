import { reached } from '#sabotage';
import type { Log } from '../log.js';
import { AggregateTransportError } from '../errors.js';
import { identityOf, type Marker, type StoredMarker } from '../records/marker.js';
import type { Parked } from './parked-aggregate.js';
import type { ParkedPort } from './parked-port.js';

export interface AdoptionOptions {
  readonly name: string;
  readonly port: ParkedPort;
  readonly log: Log;
  readonly epoch: number;
  readonly streamCreated: string;
  /** The last owner did not let the partition go in peace. */
  readonly crashed: boolean;
  readonly maxCrashes: number;
  /** Throws if the lease has ended, or another takeover reads the markers by now. */
  readonly check: () => void;
}

/**
 * Takes over a marker that an earlier owner left, by writing this epoch into it: whatever that owner still
 * sends to it is refused then. Undefined if no letter is left to wait for, so that the marker falls.
 * @throws JETSTREAM_REQUEST_FAILED, LEASE_LOST
 */
export async function adopt(found: StoredMarker, options: AdoptionOptions): Promise<Parked | undefined> {
  const { port, epoch, name, check } = options;
  let current: StoredMarker | undefined = found;
  while (current !== undefined) {
    if (current.marker.epoch > epoch) {
      throw new AggregateTransportError(
        'LEASE_LOST',
        `${name} has an owner of a later epoch ${current.marker.epoch}`,
      );
    }
    const { token } = current;
    const identity = identityOf(current);
    const { hasLetters, ...end } = await findTail(port, { token, identity }, options.streamCreated);
    check();
    const marker = decideAdoption(current.marker, hasLetters ? identity : 0, options);
    if (marker === undefined) {
      if (await port.removeMarker(current.revision)) return undefined;
    } else {
      const revision = await port.writeMarker(token, marker, current.revision);
      if (revision !== undefined) {
        reached('adopt: marker written');
        return {
          token,
          marker,
          revision,
          identity: marker.made === 0 ? revision : identity,
          ...end,
          strangersThrough: 0,
          leaving: false,
          forgotten: false,
        };
      }
    }
    current = await port.readMarker(token);
  }
  return undefined;
}

/**
 * What an inherited marker becomes; undefined if it falls. `identity` is 0 if no letter names it. Pure.
 *
 * A marker without a letter gets a new identity: should its first owner wake up and store its letter after all,
 * that letter names a marker that is no more.
 */
export function decideAdoption(
  marker: Marker,
  identity: number,
  { epoch, crashed, maxCrashes }: Pick<AdoptionOptions, 'epoch' | 'crashed' | 'maxCrashes'>,
): Marker | undefined {
  if (identity === 0) return marker.state === 'parking' ? { ...marker, epoch, made: 0 } : undefined;
  if (marker.state === 'parking' || marker.state === 'parked') {
    return { ...marker, epoch, made: identity, state: 'parked' };
  }
  const died = crashed && marker.epoch !== epoch ? 1 : 0;
  const crashes = marker.crashes + died;
  if (crashes < maxCrashes) return { ...marker, epoch, made: identity, crashes };
  const { command, ...rest } = marker;
  const error = `its letters were replayed ${crashes} times and each time the process ended`;
  return {
    ...rest,
    epoch,
    made: identity,
    state: 'parked',
    reason: 'CRASHED',
    error,
    crashes: 0,
    ...(command === undefined ? {} : { answer: { id: command.id, error } }),
  };
}

export interface LettersEnd {
  /** The last position on the subject, whosever letter it is. */
  readonly tail: number;
  /** The last event that letters of this marker hold, in the stream as it is now; 0 for none. */
  readonly lastSequence: number;
}

/** Where an aggregate's letters end, and whether any of them names this marker. */
export async function findTail(
  port: ParkedPort,
  { token, identity }: Pick<Parked, 'token' | 'identity'>,
  streamCreated: string,
): Promise<LettersEnd & { readonly hasLetters: boolean }> {
  const last = await port.last(token);
  if (last === undefined) return { tail: 0, lastSequence: 0, hasLetters: false };
  let ours = last.note.marker === identity ? last : undefined;
  // The last letter is a stranger's: ours, if there are any, lie before it.
  if (ours === undefined) {
    for (let letter = await port.next(token, 0); letter !== undefined;) {
      if (letter.note.marker === identity) ours = letter;
      letter = await port.next(token, letter.position);
    }
  }
  const lastSequence = ours?.note.stream === streamCreated ? ours.note.sequence : 0;
  return { tail: last.position, lastSequence, hasLetters: ours !== undefined };
}
