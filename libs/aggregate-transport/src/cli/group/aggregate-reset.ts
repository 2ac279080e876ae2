import { AggregateTransportError } from '../../errors.js';
import { newEventId } from '../../message/event-id.js';
import { tokenOf } from '../../message/subject.js';
import {
  commandsOf,
  countEvents,
  replayAggregate,
  type ReplayFrom,
  requireGroup,
} from '../../operating/aggregates/replay-aggregate.js';
import type { CommandResult } from '../../operating/commands/operator-commands.js';
import type { Connection } from '../../stream/connection/connection.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { AggregateWire } from '../../stream/groups/aggregate-wire.js';
import type { Surroundings } from '../command/command.js';
import { UsageError } from '../command/terminal.js';
import type { ResetTo } from '../../operating/groups/reset-target.js';
import { parseTarget } from './reset-target.js';
import { jsonLine } from '../command/json-line.js';

/** What the command line says. */
export interface AggregateResetArguments {
  readonly topic: string;
  readonly group: string;
  readonly aggregateId: string;
  readonly to: string | undefined;
  readonly toValue: string | undefined;
  readonly dryRun: boolean;
  readonly cancel: boolean;
  readonly json: boolean;
  readonly yes: boolean;
  readonly waitMs: number;
}

/**
 * `aggregate-transport group reset … --aggregate ID`: the owner of one aggregate handles its history again. It needs a
 * running replica: without one it waits, and the wish stands. Resolves with the exit code: 0 done, 1 not done.
 */
export class AggregateResetCommand {
  constructor(
    private readonly surroundings: Pick<Surroundings, 'terminal' | 'clock'>,
    private readonly connection: Connection,
  ) {}

  async run(args: AggregateResetArguments): Promise<number> {
    const { topic, group, aggregateId, waitMs } = args;
    const { clock } = this.surroundings;
    const ports = new AggregateWire({
      connection: this.connection,
      api: new JetStreamApi(this.connection),
      clock,
      topic,
    });
    const parts = { clock, newId: () => newEventId(clock.wallNow()) };
    if (args.cancel) {
      const isWithdrawn = await commandsOf(ports, group, parts).withdraw(aggregateId);
      this.#say(
        args,
        { state: isWithdrawn ? 'cancelled' : 'none' },
        isWithdrawn
          ? 'cancelled; its owner had not begun'
          : 'no replay waits for its owner; parked discard ends one that has begun',
      );
      return isWithdrawn ? 0 : 1;
    }
    const from = replayFrom(parseTarget(args.to, args.toValue));
    let result: CommandResult;
    try {
      await requireGroup(ports, group);
      if (!(await this.#plan(args, ports, from))) return 1;
      if (args.dryRun) return 0;
      await this.#confirm(args);
      result = await replayAggregate(ports, aggregateId, { group, from, waitMs }, parts);
    } catch (error) {
      if (!(error instanceof AggregateTransportError)) throw error;
      this.#say(args, { state: 'failed', code: error.code, error: error.message }, error.message);
      return 1;
    }
    this.#say(args, { state: 'done', ...result }, sayResult(result));
    return result.outcome === 'unparked' ? 0 : 1;
  }

  /** False if there is nothing to do. */
  async #plan(args: AggregateResetArguments, ports: AggregateWire, from: ReplayFrom): Promise<boolean> {
    const { aggregateId, group } = args;
    const { events, first } = await countEvents(ports, aggregateId, from);
    if (events === 0 && (await ports.parked(group).readMarker(tokenOf(aggregateId))) === undefined) {
      const why = 'the stream holds no event of it from there on, and nothing of it is parked; check the id';
      this.#say(args, { state: 'none', events, from: first }, `nothing was done: ${why}`);
      return false;
    }
    this.#say(
      args,
      { state: 'planned', events, from: first },
      events === 0
        ? 'the stream holds no event of it from there on'
        : `${events} of its events are handled again, from sequence ${first}, as far as the group has handled them`,
    );
    return true;
  }

  async #confirm({ aggregateId, yes }: AggregateResetArguments): Promise<void> {
    if (yes) return;
    const typed = await this.surroundings.terminal.ask(
      `About to let events of aggregate "${aggregateId}" be handled again. Type its id to continue: `,
    );
    if (typed !== aggregateId)
      throw new UsageError('not confirmed; nothing was done (--yes continues without asking)');
  }

  #say({ topic, group, aggregateId, json }: AggregateResetArguments, value: object, text: string): void {
    this.surroundings.terminal.print(
      json
        ? jsonLine('aggregate-replay', { topic, group, aggregateId, ...value })
        : `${topic} ${group} ${aggregateId}: ${text}`,
    );
  }
}

/** @throws UsageError */
function replayFrom(to: ResetTo): ReplayFrom {
  if (to !== 'end') return to;
  throw new UsageError(
    'expected --to start, sequence:N or time:T with --aggregate: an aggregate has no end to go to',
  );
}

function sayResult(result: CommandResult): string {
  switch (result.outcome) {
    case 'unparked':
      return 'done; it is live again';
    case 'parked':
      return 'it is parked, and letters are left';
    case 'running':
      return 'its owner is still at it, and continues without this command';
    case 'failed':
      return `it is parked: ${result.error}`;
  }
}
