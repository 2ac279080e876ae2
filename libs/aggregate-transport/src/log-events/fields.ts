/**
 * All fields that lines can have. None may hold a payload or a credential. Names that loggers use for themselves
 * (`level`, `message`, `msg`, `time`, `context`, `pid`, `err`, `error`, `stack`) are not among them.
 */
export interface LogFields {
  // Places.
  readonly topic?: string;
  readonly group?: string;
  readonly partition?: number;
  /** The name a connection has at its server. */
  readonly connection?: string;
  // Events and aggregates.
  readonly aggregate?: string;
  readonly sequence?: number;
  /** A type of event. */
  readonly type?: string;
  readonly eventId?: string;
  /** 1 for the first. */
  readonly attempt?: number;
  /** What an attempt failed in: `decode`, `guard`, `handler`, …. */
  readonly stage?: string;
  /** Of parking and skipping. */
  readonly reason?: string;
  /** True for an event that was parked before, and is replayed. */
  readonly isLetter?: boolean;
  /** The place of a letter among the letters of its partition. */
  readonly letter?: number;
  /** When the first attempt in this process began, in ISO 8601. */
  readonly since?: string;
  /** For how long, in milliseconds: of an event, since its first attempt in this process. */
  readonly ageMs?: number;
  /** How long the handler has been running, in milliseconds. */
  readonly runsMs?: number;
  readonly againInMs?: number;
  // Ownership.
  readonly epoch?: number;
  /** The random name of a replica. */
  readonly member?: string;
  readonly layout?: number;
  readonly run?: number;
  readonly partitions?: number;
  readonly replicas?: number;
  /** Partitions that this replica takes. */
  readonly owned?: readonly number[];
  /** Partitions that are not drained. */
  readonly open?: readonly number[];
  /** The number of partitions that an option asks for. */
  readonly wanted?: number;
  /** The number of a change of a group. */
  readonly change?: number;
  // Counts and bounds.
  readonly count?: number;
  readonly aggregates?: number;
  readonly recovered?: number;
  /** Names of events of the log, each with a count. */
  readonly events?: string;
  readonly from?: number;
  readonly through?: number;
  readonly limitMs?: number;
  // Reasons.
  readonly why?: string;
  readonly errorName?: string;
  readonly errorCode?: string;
  /** What to do about it. */
  readonly remedy?: string;
  /** A code of health. */
  readonly problem?: string;
  readonly stream?: string;
  /** When the stream was made, in ISO 8601. */
  readonly created?: string;
  readonly subject?: string;
  readonly server?: string;
  readonly handler?: string;
  /** The name of a hook or a callback of the application. */
  readonly hook?: string;
}

export type FieldName = keyof LogFields;

/** What each line names of the place it is about. */
export interface PlaceFields {
  readonly connection: { readonly connection: string };
  readonly topic: { readonly topic: string };
  readonly group: { readonly topic: string; readonly group: string };
  readonly partition: { readonly topic: string; readonly group: string; readonly partition: number };
}
