import type { ParkReason } from '../message/park-reason.js';

/**
 * Where a parked aggregate stands:
 *
 * - `asked`: a live aggregate is to be replayed, and no owner has begun. An operator makes it. Left when the owner
 *   begins, or parks the aggregate meanwhile.
 * - `parking`: its marker is written, its first letter may not be. Without a letter the next owner removes it: its
 *   event is not settled, comes again and fails again. Left when that letter is confirmed.
 * - `parked`: its events become letters. Left by a command.
 * - `diverted`: as `parked`, because its head blocks the intake; the owner replays the letters by itself.
 * - `retrying`: the owner replays the letters. Left for `parked` by the first failure, or for good when no
 *   letter is left: then the marker is removed.
 * - `replaying`: by command the owner handles the aggregate's history again, then the letters. Left as `retrying` is,
 *   after the retries of the handler.
 */
export type ParkedState = 'asked' | 'parking' | 'parked' | 'diverted' | 'retrying' | 'replaying';

/** What an operator may do with a parked aggregate. */
export type ParkedCommandKind = 'retry' | 'skipHead' | 'discard';

export type CommandKind = ParkedCommandKind | 'replay';

/** Where the history of an aggregate is to begin again. */
export interface ReplayRequest {
  /** The first sequence that is handled again. */
  readonly from: number;
  /** When the stream was made that the sequence belongs to. */
  readonly created: string;
}

/**
 * A part of an aggregate's history that is handled again, from the topic's stream. It stands before all letters. Events
 * of the aggregate up to `to` are settled by it: they are handled, or it brings them.
 */
export interface MarkedReplay {
  /** The command that asked for it. */
  readonly id: string;
  /** When the stream was made that the sequences belong to. */
  readonly created: string;
  /** The first event that is not handled again yet; above `to` once all are. */
  readonly from: number;
  readonly to: number;
  /** Events up to here had been handled before. */
  readonly handledThrough: number;
  /** The run of the events that are handled again. */
  readonly run: number;
}

/** What an operator asks the owner to do with a parked aggregate. */
export interface Command {
  readonly id: string;
  readonly kind: CommandKind;
  /** Of the letter to skip, so that a command which is carried out twice skips one. */
  readonly position?: number;
  /** The same for an event of the history that is replayed. */
  readonly sequence?: number;
  /** Of a `replay`. */
  readonly replay?: ReplayRequest;
}

/** What became of a command; of one that unparked the aggregate nothing is left to read. */
export interface CommandAnswer {
  readonly id: string;
  readonly error?: string;
}

/**
 * The record that an aggregate is parked. It stands before the first letter and falls after the last, so an
 * aggregate without a marker has no letter that counts.
 */
export interface Marker {
  /** The epoch of the owner that wrote it last; one of an older epoch that appears later is void. */
  readonly epoch: number;
  readonly state: ParkedState;
  /** The revision the marker was made at; letters name it. 0 in its first version, which is that revision. */
  readonly made: number;
  readonly reason: ParkReason;
  readonly error: string;
  readonly attempts: number;
  /** The last of them, as a W3C `traceparent`, if attempts are traced. */
  readonly trace?: string | undefined;
  /** The sequence, in the topic's stream, of the event that failed. */
  readonly sequence: number;
  /** When the aggregate was parked, milliseconds since 1970. */
  readonly since: number;
  /** Owners that died while they replayed its letters. */
  readonly crashes: number;
  /** Letters up to this position are handled, or dropped: no owner handles them again. They are removed soon. */
  readonly replayed?: number;
  /** What is left of the history that is handled again. */
  readonly replay?: MarkedReplay;
  readonly command?: Command;
  readonly answer?: CommandAnswer;
  /** Letters that are handled in another form than they came in. */
  readonly edits?: readonly EditPlace[];
}

/** Which letter an edit stands for. */
export interface EditPlace {
  /** The position of the letter that it replaces: its place in the order. */
  readonly of: number;
  /** The position of the letter that is handled there. */
  readonly by: number;
}

/** The letter that is handled at this position, if an operator edited the one that stands there. Pure. */
export function editAt({ edits }: Pick<Marker, 'edits'>, position: number): EditPlace | undefined {
  return edits?.find(({ of }) => of === position);
}

/** What an owner keeps of the edits once letters up to this position are worked through. Pure. */
export function editsAfter(
  edits: readonly EditPlace[] | undefined,
  position: number,
): readonly EditPlace[] | undefined {
  const open = edits?.filter(({ of }) => of > position) ?? [];
  return open.length === 0 ? undefined : open;
}

/** A marker and where it stands. */
export interface StoredMarker {
  readonly token: string;
  readonly marker: Marker;
  readonly revision: number;
}

/** The revision that names the marker in its letters. */
export function identityOf({ marker, revision }: Pick<StoredMarker, 'marker' | 'revision'>): number {
  return marker.made === 0 ? revision : marker.made;
}
