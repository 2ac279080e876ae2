/**
 * The rules that order, ownership or loss depend on. A fault test switches one off and sees the checker that the rule
 * is for turn red. Named after what goes wrong.
 */
export type ConsumerRule =
  /** An owner begins without claiming the position: writes of older owners still fit. */
  | 'no-claim'
  /** Positions are written without comparing what the key holds. */
  | 'no-compare'
  /** Missing deliveries are not noticed. */
  | 'no-gate'
  /** What a lagging replica delivers from below the reader's start is handled. */
  | 'no-pass-over'
  /** What an edited reader passed over is taken for read: the next one begins after the last event taken in. */
  | 'unproven-taken-for-read'
  /** Unsettled events of the claimed position are missing in the first commit. */
  | 'no-placeholders'
  /** An event is handled while an earlier one, which its reader skipped, is still asked for. */
  | 'placeholder-not-waited-for'
  /** The list of unsettled events in the claimed position is not read. */
  | 'list-ignored'
  /** A commit calls settled what was only taken in. */
  | 'commit-ahead'
  /** What the claimed position calls settled is handled again. */
  | 'settled-again'
  /** Handlers start although the lease has ended. */
  | 'no-deadline'
  /** With its lease a process forgets which handlers still run. */
  | 'lanes-forgotten'
  /** The lease is released while handlers run. */
  | 'release-early'
  /** No owner writes down which event kills its process. */
  | 'no-suspects'
  /** An owner with smaller options looks for the killer among fewer events than its predecessor may have started. */
  | 'window-shrinks'
  /** Two partitions of one process run a suspect alone at the same time. */
  | 'alone-per-partition'
  /** A new owner continues with the fencing token of the last one. */
  | 'token-stands-still'
  /** A stream that ends before what was handled is taken for the same. */
  | 'regression-unnoticed'
  /** Each partition resolves the start of its group for itself. */
  | 'start-per-partition'
  /** Copies of an event that is sent again do not carry one id. */
  | 'copies-without-id';

/** The publisher's rules. */
export type PublisherRule =
  /** More than one event of an aggregate is on the wire. */
  | 'publisher-pipelines'
  /** A copy leaves without the id by which the stream knows it. */
  | 'publisher-drops-dedup-id'
  /** Events behind a refused one are sent as if nothing had happened. */
  | 'publisher-skips-after-refusal'
  /** An aggregate continues although an outcome is unknown. */
  | 'publisher-forgets-unknown'
  /** The rest of a batch leaves before the server has said that it knows batches. */
  | 'publisher-fills-unopened-batch'
  /** An event is queued although the schema of an earlier one of its aggregate has not answered. */
  | 'publisher-passes-checks'
  /** An event that waited for its schema is sent although an earlier one was refused meanwhile. */
  | 'publisher-skips-waiting-calls';

/** The rules about parked aggregates. */
export type ParkingRule =
  /** The marker falls when one letter is handled, without a look for more. */
  | 'unpark-without-check'
  /** A new owner does not look at the markers that earlier ones left. */
  | 'markers-not-loaded'
  /** A later event of a parked aggregate is settled before its letter is confirmed. */
  | 'settle-before-letter'
  /** A letter is replayed although earlier events of its aggregate may come again. */
  | 'letters-not-waited-for'
  /** As before, but the letter's own event is waited for. */
  | 'letter-waits-for-itself-only'
  /** The head of a diverted lane becomes its first letter although an earlier tenure started it. */
  | 'head-of-any-tenure'
  /** The history of an aggregate is handled again under the run that it had. */
  | 'run-not-raised'
  /** Handlers start while the run grows. */
  | 'run-grows-beside-starts'
  /** Live events of an aggregate are not held while its history is handled again. */
  | 'replay-not-detoured'
  /** The marker of a replay falls before all events that it settles are read. */
  | 'replay-falls-early'
  /** An owner that begins a replay does not read what an operator has edited meanwhile. */
  | 'edits-not-taken-up';

/** The rules about a change of a group's layout. */
export type LayoutRule =
  /** Not one that can be broken: replicas drain, and leave all further steps to the command. */
  | 'command-goes-on-alone'
  /** A partition is given up while its handlers run. */
  | 'drained-while-running'
  /** The mark of a drained partition does not keep the next owner from starting. */
  | 'drained-mark-ignored'
  /** The new layout handles what the old one had settled. */
  | 'origin-ignored'
  /** Letters of events that a reset brings again stay. */
  | 'letters-outlive-reset'
  /** A reset begins no new run. */
  | 'run-stands-still'
  /** Of the positions of a deleted group no tombstone stays. */
  | 'positions-purged'
  /** Not one that can be broken: a replica never hears what its group's record says. */
  | 'record-unread';

/** The rule about chains, which a relay of stored rows publishes. */
export type ChainRule =
  /** The events of a chain do not say after which event they belong. */
  'chain-without-expectation';

/** The rules of an operator's copy of a topic. */
export type CopyRule =
  /** A copy is stored no matter which event of its aggregate is the last. */
  'copy-not-compared';

export type SabotagedRule = ConsumerRule | PublisherRule | ParkingRule | LayoutRule | ChainRule | CopyRule;

/** No rule is, in the library as it is published; see `imports` in package.json. */
export const isSabotaged: (rule: SabotagedRule) => boolean = () => false;

/** A step after which a fault test may kill or freeze the process. */
export const reached: (step: string) => void = () => undefined;
