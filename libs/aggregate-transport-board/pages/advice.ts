import type { Overview, Trouble, TroubleKind } from '../src/source/board-source.js';
import { counted, countOf, spanOf } from './format.js';

export const KIND_WORDS: Readonly<Record<TroubleKind, string>> = {
  stuck: 'stuck',
  blocked: 'blocked',
  parked: 'parked',
  retrying: 'retrying',
  slow: 'slow',
};

/** What an operator does about an aggregate. Pure. */
export function adviceFor({ kind, state }: Trouble): string {
  switch (kind) {
    case 'stuck':
      return 'Its handler does not return. Find what it waits for: a lock, a call without a timeout. Ending its process hands the partition over.';
    case 'blocked':
      return 'It is tried again for ever. Fix what the error names, and it continues by itself.';
    case 'parked':
      return state === 'retrying' || state === 'replaying'
        ? 'Its letters are being handled again now. Wait for the end.'
        : state === 'diverted'
          ? 'It comes back by itself. Look at what its handler waits for.'
          : 'Fix what the error names, then retry: its letters are handled in order.';
    case 'retrying':
      return 'It is tried again by itself. If the error stays, it is parked once its attempts are used up.';
    case 'slow':
      return 'Its handler still runs. Wait, or look at what it calls.';
  }
}

export interface Verdict {
  readonly tone: 'bad' | 'warn' | 'good';
  readonly title: string;
  readonly text: string;
  /** The worst aggregate, which stands before the text. */
  readonly worst?: Trouble;
}

/** The first sentence an operator reads. Pure. */
export function verdictOf({ groups, troubles, troubleCount, findings }: Overview): Verdict {
  const [worst] = troubles;
  if (groups.length === 0)
    return {
      tone: 'good',
      title: 'No group has started yet',
      text: 'Start a service that handles a topic. Its group appears here within seconds.',
    };
  if (worst !== undefined) return troubleVerdict(worst, troubles, troubleCount);
  if (findings.length > 0)
    return {
      tone: 'warn',
      title: 'No aggregate is stuck',
      text: `Health has ${counted(findings.length, 'finding')}. The first: ${findings[0]?.why ?? ''}.`,
    };
  const silent = groups.filter(({ answered, condition }) => answered === 0 && condition !== 'deleted').length;
  if (silent > 0)
    return {
      tone: 'warn',
      title: 'No aggregate is known to be stuck',
      text: `No process of ${counted(silent, 'group')} answered, so what its processes hold is unknown.`,
    };
  const lag = groups.reduce((sum, group) => sum + (group.lag ?? 0), 0);
  const unowned = groups.reduce((sum, { partitions, owned }) => sum + partitions - owned, 0);
  if (unowned > 0)
    return {
      tone: 'warn',
      title: `${counted(unowned, 'partition')} without an owner`,
      text: 'Start a process of the group, or wait until a lease that has run out is taken over.',
    };
  return {
    tone: 'good',
    title: 'Everything moves',
    text: `${counted(groups.length, 'group')}, every partition is owned, ${counted(lag, 'event')} to handle.`,
  };
}

function troubleVerdict(worst: Trouble, troubles: readonly Trouble[], count: number): Verdict {
  const alike = troubles.filter(({ kind }) => kind === worst.kind).length;
  const others = count - alike;
  const isAre = alike === 1 ? 'aggregate is' : 'aggregates are';
  const isCut = worst.kind === 'parked' && others > 0 && alike === troubles.length;
  const shown = isCut ? countOf(count) : countOf(alike);
  const more = others > 0 && !isCut ? ` ${counted(others, 'other')} below.` : '';
  return {
    tone: worst.kind === 'stuck' || worst.kind === 'blocked' ? 'bad' : 'warn',
    title: `${shown} ${isCut ? 'aggregates are' : isAre} ${KIND_WORDS[worst.kind]}`,
    text: ` for ${spanOf(worst.forMs)}, in group ${worst.group} on topic ${worst.topic}.${more}`,
    worst,
  };
}
