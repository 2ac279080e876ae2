/**
 * The rules that order depends on and that a fault test can switch off, to see that a checker turns red
 * without them. Named after what goes wrong.
 */
export type ConsumerRule =
  /** Rule 1: a pull may stay open longer than the lease lasts. */
  | 'pull-outlives-lease'
  /** Rule 2: a failed event goes back to the server instead of waiting in its place. */
  | 'retry-by-nak'
  /** Rule 3: a takeover asks for nothing again. */
  | 'no-takeover'
  /** Rule 3: acks go on in a takeover, and those the server has forgotten are not sent again. */
  | 'acks-not-repeated'
  /** Rule 3: a new owner begins with a new consumer, behind what its lease knows to be settled. */
  | 'takeover-by-new-consumer'
  /** Rule 4: events go on as they come, unsettled ones not first. */
  | 'no-fence'
  /** Rule 5: missing deliveries are not noticed. */
  | 'no-gate'
  /** Rule 6: acks leave at once, and nobody waits for their confirmation. */
  | 'acks-unordered'
  /** Rule 7: handlers start although the lease has ended. */
  | 'no-deadline'
  /** Rule 7: with its lease a process forgets which handlers still run. */
  | 'lanes-forgotten'
  /** Rule 7: how a handler ends counts, though its lease has ended before. */
  | 'late-outcome-counts'
  /** Rule 8: the lease is let go while handlers run. */
  | 'release-early'
  /** Rule 9: nobody writes down which event kills its process. */
  | 'no-suspects'
  /** Rule 9: an event that was delivered too often is given up. */
  | 'delivery-count-decides'
  /** A new owner goes on with the fencing token of the last one. */
  | 'token-stands-still'
  /** A stream that ends before what was handled is taken for the same. */
  | 'regression-unnoticed'
  /** Copies of an event that is sent again do not carry one id. */
  | 'copies-without-id';

/** The publisher's rules, design §4. */
export type PublisherRule =
  /** More than one event of an aggregate is on the wire. */
  | 'publisher-pipelines'
  /** A copy leaves without the id by which the stream knows it. */
  | 'publisher-drops-dedup-id'
  /** Events behind a refused one are sent as if nothing had happened. */
  | 'publisher-skips-after-refusal'
  /** An aggregate goes on although an outcome is unknown. */
  | 'publisher-forgets-unknown'
  /** The rest of a batch leaves before the server has said that it knows batches. */
  | 'publisher-fills-unopened-batch';

/** The rules about parked aggregates, design §6. */
export type ParkingRule =
  /** The marker falls when one letter is handled, and nobody looks for more. */
  | 'unpark-without-check'
  /** A new owner does not look at the markers that earlier ones left. */
  | 'markers-not-loaded'
  /** A later event of a parked aggregate is acked before its letter is confirmed. */
  | 'ack-before-letter';

/** The rules about a change of the number of partitions, decision 7. */
export type RepartitionRule =
  /** Not one that can be broken: replicas drain, and leave all further steps to the command. */
  | 'command-goes-on-alone'
  /** A partition is given up while its handlers run. */
  | 'drained-while-running'
  /** The new layout handles what the old one had settled. */
  | 'settled-before-ignored';

export type SabotagedRule = ConsumerRule | PublisherRule | ParkingRule | RepartitionRule;

/** No rule is, in the library as it is published; see `imports` in package.json. */
export const isSabotaged: (rule: SabotagedRule) => boolean = () => false;

/** A step after which a fault test may kill or freeze the process. */
export const reached: (step: string) => void = () => undefined;
