import type { Trouble } from '../../src/source/board-source.js';
import { adviceFor } from '../advice.js';
import { counted, spanOf } from '../format.js';
import { aggregateHref, groupHref } from '../route.js';
import { Foreign, Kind, Owner } from './words.js';

/** Aggregates that need a look, worst first: which, since when, why, where, and what to do. */
export function TroubleList({
  troubles,
  at,
}: {
  readonly troubles: readonly Trouble[];
  readonly at: number;
}) {
  return (
    <ol class="troubles">
      {troubles.map((one) => (
        <Row key={`${one.topic} ${one.group} ${one.aggregateId}`} trouble={one} at={at} />
      ))}
    </ol>
  );
}

function Row({ trouble, at }: { readonly trouble: Trouble; readonly at: number }) {
  const { topic, group, aggregateId, kind, forMs, error } = trouble;
  return (
    <li class={`trouble tone-${kind}`}>
      <div class="trouble-head">
        <Kind kind={kind} />
        <a class="trouble-id row-link" href={aggregateHref(topic, aggregateId)}>
          <Foreign text={aggregateId} />
        </a>
        <span class="trouble-age">for {spanOf(forMs)}</span>
      </div>
      {error === undefined ? null : (
        <p class="trouble-error">
          <Foreign text={error} />
        </p>
      )}
      <p class="trouble-where">
        <a href={groupHref({ topic, group })}>
          <Foreign text={group} /> on <Foreign text={topic} />
        </a>
        <Facts trouble={trouble} at={at} />
      </p>
      <p class="trouble-advice">{adviceFor(trouble)}</p>
    </li>
  );
}

interface FactsProps {
  readonly trouble: Trouble;
  readonly at: number;
  /** On a page of its own, which tells what waits. */
  readonly isAlone?: boolean;
}

/** What else is known, in one line. */
export function Facts({ trouble, at, isAlone = false }: FactsProps) {
  const { partition, owner, type, sequence, attempts, waiting, reason, nextAt, kind } = trouble;
  return (
    <>
      {partition === undefined ? null : <span>partition {partition}</span>}
      {owner === undefined ? null : (
        <span>
          at <Owner owner={owner} />
        </span>
      )}
      {sequence === 0 ? null : (
        <span>
          {type === undefined ? 'event' : <Foreign text={type} />} #{sequence}
        </span>
      )}
      {attempts === 0 ? null : <span>{counted(attempts, 'attempt')}</span>}
      {isAlone ? null : <span>{counted(waiting, kind === 'parked' ? 'letter' : 'event')} waiting</span>}
      {reason === undefined ? null : <span>{reason}</span>}
      {nextAt === undefined || nextAt <= at ? null : <span>again in {spanOf(nextAt - at)}</span>}
    </>
  );
}
