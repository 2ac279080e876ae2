import { isSabotaged, reached } from '#sabotage';
import { AggregateTransportError } from '../errors.js';
import type { LogAt } from '../log.js';
import type { GroupStart } from '../records/group-record.js';
import type { Letter } from '../records/letter.js';
import { aggregateIdOf } from '../message/subject.js';
import { identityOf, type MarkedReplay, type Marker, type StoredMarker } from '../records/marker.js';
import type { Parked } from './parked-aggregate.js';
import type { ParkedPort } from './parked-port.js';
import { inheritedReplay } from './inherited-replay.js';

export interface AdoptionOptions {
  readonly name: string;
  readonly port: ParkedPort;
  readonly log: LogAt<'partition'>;
  readonly epoch: number;
  /** When the topic's stream was made. */
  readonly created: string;
  /** Where the group began, or began again by its last reset. */
  readonly start: GroupStart;
  /** The last owner ended without a last commit. */
  readonly hasDied: boolean;
  /** Owners that may die while they replay an aggregate's letters, from this one on. */
  readonly crashesAllowed: (first: Letter) => number;
  /** Throws if the lease has ended, or a later tenure reads the markers by now. */
  readonly check: () => void;
}

/**
 * Takes over a marker that an earlier owner left, by writing this epoch into it: what that owner still sends to it is
 * refused then. Undefined if it has no letter, and no replay, so that it is removed. Its event is not settled: it comes
 * again. A marker that only asks for a replay stays.
 *
 * After a reset, letters of events that come again are removed first. An epoch above the reset's tells that an owner
 * since has done so; letters of a later run must stay.
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
    const isReset = current.marker.epoch <= options.start.epoch && !isSabotaged('letters-outlive-reset');
    if (isReset) await removeReset(port, { token, identity }, options);
    const { hasLetters, ...end } = await findTail(port, { token, identity }, options.created);
    const maxCrashes = await maxCrashesOf(current, identity, options);
    check();
    const replay = inheritedReplay(current.marker, options.created, options.start);
    noteLostReplay(current, replay, options);
    const isKept = hasLetters || replay !== undefined;
    const facts = { ...options, maxCrashes, replay };
    const marker = isKept
      ? decideAdoption(current.marker, identity, facts)
      : stillAsked(current.marker, identity, options);
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
          identity,
          tail: end.tail,
          lastSequence: Math.max(end.lastSequence, replay?.to ?? 0),
          leaving: false,
          forgotten: false,
        };
      }
    }
    current = await port.readMarker(token);
  }
  return undefined;
}

/** The limit of the handler that the next letter is for. Asked for only where a death is to be counted. */
async function maxCrashesOf(
  { token, marker }: StoredMarker,
  identity: number,
  { port, hasDied, crashesAllowed }: AdoptionOptions,
): Promise<number> {
  if (hasDied && isUnderWay(marker.replay)) return LEAST_CRASHES;
  const isReplayed = ['retrying', 'replaying', 'diverted'].includes(marker.state);
  if (!hasDied || !isReplayed) return Number.POSITIVE_INFINITY;
  let letter = await port.next(token, marker.replayed ?? 0);
  while (letter !== undefined && letter.note.marker !== identity)
    letter = await port.next(token, letter.position);
  return letter === undefined ? Number.POSITIVE_INFINITY : crashesAllowed(letter);
}

/** Without a letter or a replay a marker falls, unless an operator asks by it for one. */
function stillAsked(
  marker: Marker,
  identity: number,
  { epoch }: Pick<AdoptionOptions, 'epoch'>,
): Marker | undefined {
  return marker.command?.kind === 'replay' ? { ...marker, epoch, made: identity, state: 'asked' } : undefined;
}

/** An operator is told of a replay that no owner can finish. */
function noteLostReplay(
  { token, marker }: StoredMarker,
  kept: MarkedReplay | undefined,
  { name, log }: Pick<AdoptionOptions, 'name' | 'log'>,
): void {
  if (kept !== undefined || !isUnderWay(marker.replay)) return;
  const aggregate = aggregateIdOf(token);
  log.write(
    'replay-cut-short',
    { aggregate, sequence: marker.replay.from },
    `${name}: the replay of aggregate "${aggregate}" ends before its event ${marker.replay.from}: the stream ` +
      'was made again or restored since; to begin it again: group reset with --aggregate',
  );
}

/** True while events of the replay are left. */
function isUnderWay(replay: MarkedReplay | undefined): replay is MarkedReplay {
  return replay !== undefined && replay.from <= replay.to;
}

/**
 * What an inherited marker becomes; undefined if it is removed. `identity` is 0 if no letter names it, and nothing is
 * replayed. Pure.
 */
export function decideAdoption(
  marker: Marker,
  identity: number,
  facts: Pick<AdoptionOptions, 'epoch' | 'hasDied'> & {
    readonly maxCrashes: number;
    /** What is left of the replay. */
    readonly replay?: MarkedReplay | undefined;
  },
): Marker | undefined {
  const kept = adoptedMarker(marker, identity, facts);
  if (kept === undefined) return undefined;
  const { replay, ...rest } = kept;
  const left = replay === undefined ? undefined : facts.replay;
  return left === undefined ? rest : { ...rest, replay: left };
}

function adoptedMarker(
  marker: Marker,
  identity: number,
  {
    epoch,
    hasDied,
    maxCrashes,
  }: Pick<AdoptionOptions, 'epoch' | 'hasDied'> & { readonly maxCrashes: number },
): Marker | undefined {
  if (identity === 0) return undefined;
  if (marker.state === 'parking' || marker.state === 'parked') {
    return { ...marker, epoch, made: identity, state: 'parked' };
  }
  const died = hasDied && marker.epoch !== epoch ? 1 : 0;
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

/** A crash while letters are replayed says little of them, so an aggregate is given more than one. */
export const LEAST_CRASHES = 2;

/** Removes letters of events that a reset brings again. */
async function removeReset(
  port: ParkedPort,
  { token, identity }: Pick<Parked, 'token' | 'identity'>,
  { start, check }: AdoptionOptions,
): Promise<void> {
  for (let letter = await port.next(token, 0); letter !== undefined;) {
    check();
    const { marker, stream, sequence } = letter.note;
    const comesAgain = stream === start.created && sequence > start.sequence;
    if (marker === identity && comesAgain) {
      await port.removeLetter(letter.position);
      reached('adopt: letter removed');
    }
    letter = await port.next(token, letter.position);
  }
}

export interface LettersEnd {
  /** The last position on the subject, including letters of other markers. */
  readonly tail: number;
  /** The last event that letters of this marker hold, in the stream as it is now; 0 for none. */
  readonly lastSequence: number;
}

/** Where an aggregate's letters end, and whether any of them names this marker. `created`: of the topic's stream. */
export async function findTail(
  port: ParkedPort,
  { token, identity }: Pick<Parked, 'token' | 'identity'>,
  created: string,
): Promise<LettersEnd & { readonly hasLetters: boolean }> {
  const last = await port.last(token);
  if (last === undefined) return { tail: 0, lastSequence: 0, hasLetters: false };
  let ours = last.note.marker === identity ? last : undefined;
  // The last letter is of another marker: ours, if there are any, lie before it.
  if (ours === undefined) {
    for (let letter = await port.next(token, 0); letter !== undefined;) {
      if (letter.note.marker === identity) ours = letter;
      letter = await port.next(token, letter.position);
    }
  }
  const lastSequence = ours?.note.stream === created ? ours.note.sequence : 0;
  return { tail: last.position, lastSequence, hasLetters: ours !== undefined };
}
