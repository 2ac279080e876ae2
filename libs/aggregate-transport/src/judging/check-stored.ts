import { findingsOf, type OrderFinding } from './finding.js';
import { groupBy, type RunHistory } from './run-history.js';

/** `publish-order`: the stream holds 1, 2, 3, … of each aggregate, and exactly what publishers were told. */
export function checkStored({ stored, published }: Pick<RunHistory, 'stored' | 'published'>): OrderFinding[] {
  return findingsOf('publish-order', (find) => {
    const places = new Map<string, number>();
    for (const [aggregateId, events] of groupBy(stored, (event) => event.aggregateId)) {
      let last = 0;
      for (const { number, sequence } of events) {
        if (number !== last + 1)
          find(
            aggregateId,
            [last, number].sort((one, other) => one - other),
            `${aggregateId}: ${number} is stored (sequence ${sequence}) after ${last}`,
          );
        if (!places.has(placeOf(aggregateId, number))) places.set(placeOf(aggregateId, number), sequence);
        last = number;
      }
    }
    for (const { aggregateId, number, outcome, sequence } of published) {
      const found = places.get(placeOf(aggregateId, number));
      if (outcome === 'stored' && found !== sequence)
        find(
          aggregateId,
          [number],
          `${aggregateId}: ${number} was confirmed as sequence ${sequence ?? 'none'}, found ${found ?? 'nothing'}`,
        );
      if (outcome === 'refused' && found !== undefined)
        find(aggregateId, [number], `${aggregateId}: ${number} was refused, found sequence ${found}`);
    }
  });
}

function placeOf(aggregateId: string, number: number): string {
  return `${number} ${aggregateId}`;
}
