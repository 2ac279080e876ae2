import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { tokenOf } from '../../message/subject.js';
import { type CommandResult, ParkedCommands } from '../../operating/commands/operator-commands.js';
import type { AggregatePorts } from './aggregate-ports.js';

/** Where the history of an aggregate is to begin again. */
export type ReplayFrom = 'start' | { readonly sequence: number } | { readonly time: Date };

export interface ReplayOptions {
  readonly group: string;
  readonly from: ReplayFrom;
  /** How long to wait for the end, in milliseconds. The owner continues without the caller. */
  readonly waitMs: number;
}

export interface OperatorParts {
  readonly clock: Clock;
  /** A name no other command has. */
  readonly newId: () => string;
}

/**
 * Lets the owner of an aggregate handle its history again, from a sequence on, while all other aggregates continue.
 * Safe to call again: the same request waits for the one that stands.
 * @throws COMMAND_UNANSWERED if no owner took it up in time: it stands until one does
 * @throws GROUP_UNKNOWN, AGGREGATE_ID_INVALID, JETSTREAM_REQUEST_FAILED
 */
export async function replayAggregate(
  ports: AggregatePorts,
  aggregateId: string,
  { group, from, waitMs }: ReplayOptions,
  parts: OperatorParts,
): Promise<CommandResult> {
  await requireGroup(ports, group);
  const { created } = await ports.stream();
  const request = { from: await firstOf(ports, from), created };
  return commandsOf(ports, group, parts).replay(aggregateId, request, waitMs);
}

export function commandsOf(
  ports: AggregatePorts,
  group: string,
  { clock, newId }: OperatorParts,
): ParkedCommands {
  return new ParkedCommands({
    name: `topic "${ports.topic}", group "${group}"`,
    port: ports.parked(group),
    clock,
    newId,
  });
}

/**
 * How many events of the aggregate the stream holds from a place on, and the first of them; 0 for none.
 * @throws AGGREGATE_ID_INVALID, JETSTREAM_REQUEST_FAILED
 */
export async function countEvents(
  ports: AggregatePorts,
  aggregateId: string,
  from: ReplayFrom,
): Promise<{ readonly events: number; readonly first: number }> {
  let events = 0;
  let first = 0;
  for await (const { sequence } of ports.history(tokenOf(aggregateId), await firstOf(ports, from))) {
    if (events === 0) first = sequence;
    events++;
  }
  return { events, first };
}

/** @throws GROUP_UNKNOWN: nothing would ever take the command up, and a typing mistake would leave a marker */
export async function requireGroup(ports: AggregatePorts, group: string): Promise<void> {
  const known = await ports.groups();
  if (known.some((one) => one.group === group)) return;
  throw new AggregateTransportError(
    'GROUP_UNKNOWN',
    `expected group "${group}" to have started on topic "${ports.topic}", found ` +
      (known.length === 0 ? 'no group' : `only ${known.map((one) => one.group).join(', ')}`),
  );
}

async function firstOf(ports: AggregatePorts, from: ReplayFrom): Promise<number> {
  if (from === 'start') return 1;
  return 'sequence' in from ? from.sequence : (await ports.lastBefore(from.time)) + 1;
}
