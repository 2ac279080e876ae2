import type { OrderedAcks } from '../settlement/ordered-acks.js';
import type { Ledger } from './ledger.js';
import type { TakeoverMemory } from './takeover.js';

/** What a partition remembers of its events, as a takeover asks for it. */
export function takeoverMemory(ledger: Ledger, acks: OrderedAcks): TakeoverMemory {
  return {
    toRepeat: (mayHaveForgotten) => acks.toRepeat(mayHaveForgotten),
    repeated: (sequences) => acks.repeated(sequences),
    unsettled: (first, last, callback) => {
      ledger.unhandled(first, last, callback);
      // Handled since toRepeat: not acked yet, so the server holds them and the fence counts them.
      acks.unconfirmed(first, last, callback);
    },
  };
}
