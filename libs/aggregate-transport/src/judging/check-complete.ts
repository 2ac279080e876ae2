import { describeRun, findingsOf, type OrderFinding } from './finding.js';
import { firstEnds, type RunHistory } from './run-history.js';

/** `unknown-event`: each event that reached a handler is stored, under the number and sequence that the handler saw. */
export function checkKnown({ runs, stored }: Pick<RunHistory, 'runs' | 'stored'>): OrderFinding[] {
  const known = new Set(
    stored.map(({ aggregateId, number, sequence }) => `${sequence} ${number} ${aggregateId}`),
  );
  return findingsOf('unknown-event', (find) => {
    for (const run of runs) {
      const { aggregateId, number, sequence } = run;
      if (!known.has(`${sequence} ${number} ${aggregateId}`))
        find(aggregateId, [number], `${aggregateId}: ran ${describeRun(run)}, which is not stored`);
    }
  });
}

/** `nothing-lost`: each stored event is handled. */
export function checkHandled({ runs, stored }: Pick<RunHistory, 'runs' | 'stored'>): OrderFinding[] {
  const ends = firstEnds(runs);
  return findingsOf('nothing-lost', (find) => {
    for (const { aggregateId, number, sequence } of stored)
      if (!ends.has(sequence))
        find(
          aggregateId,
          [number],
          `${aggregateId}: ${number} (sequence ${sequence}) is stored and was not handled`,
        );
  });
}

/** `at-rest`: at the end the server holds nothing that is not settled. */
export function checkRest({ rest }: Pick<RunHistory, 'rest'>): OrderFinding[] {
  const { unsettled, parked } = rest;
  return findingsOf('at-rest', (find) => {
    if (unsettled > 0) find(undefined, [], `${unsettled} events are not settled at the end`);
    if (parked > 0) find(undefined, [], `${parked} aggregates are parked at the end`);
  });
}
