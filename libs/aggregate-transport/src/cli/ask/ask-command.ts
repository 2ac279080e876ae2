import type { LiveGroup } from '../../operations/live.js';
import { ServerOperations } from '../../operations/server-operations.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { OperatedServerWire } from '../../stream/operating/topic-wire.js';
import { defineCommand } from '../command/command.js';
import { jsonLine } from '../command/json-line.js';
import type { Terminal } from '../command/terminal.js';
import { namesOf, numberOf } from '../command/values.js';
import { aggregateRow, AGGREGATE_HEADINGS, PARTITION_HEADINGS, partitionRow } from './ask-tables.js';
import { tableOf } from '../command/table.js';

export const askCommand = defineCommand({
  name: 'group ask',
  flags: { topic: 'string', group: 'string', worst: 'string', wait: 'string' },
  words: 2,
  help: [
    ['TOPIC GROUP', 'ask its running processes: rates, handler times, what stands still'],
    ['[--worst N]', 'so many of the worst aggregates, 20 (1 to 200)'],
    ['[--wait MS]', 'how long to wait for their answers, 1000 (50 to 5000)'],
  ],
  prepare({ flags, words }, { terminal, clock, connected }) {
    const address = namesOf(words, flags);
    const worst = numberOf('worst', flags.worst, { otherwise: 20, least: 1, most: 200 });
    const withinMs = numberOf('wait', flags.wait, { otherwise: 1_000, least: 50, most: 5_000 });
    return () =>
      connected(async (connection) => {
        const server = new OperatedServerWire({ connection, api: new JetStreamApi(connection) }, clock);
        const live = await new ServerOperations(server, clock).askGroup(address, { worst, withinMs });
        if (flags.json === true) terminal.print(jsonLine('live-group', live));
        else printLive(terminal, live);
        return live.isComplete && live.unknown.length === 0 && live.replicas.length > 0 ? 0 : 1;
      });
  },
});

function printLive(terminal: Pick<Terminal, 'print'>, live: LiveGroup): void {
  const { topic, group, replicas, partitions, unknown, worst, left } = live;
  const answered = replicas.filter(({ state }) => state === 'answered');
  terminal.print(`${answered.length} of ${replicas.length} replicas answered`);
  for (const { replica, state } of replicas)
    if (state === 'silent') terminal.print(`${replica} is silent: it is blocked, or may not answer`);
  if (answered.length === 0) {
    const subject = `aggregate-transport.${topic}.${group}.ask`;
    terminal.print(
      `so all that lives in processes is unknown; to ask, a user needs the permission to publish to "${subject}"`,
    );
    return;
  }
  terminal.print(tableOf(PARTITION_HEADINGS, partitions.map(partitionRow)));
  if (unknown.length > 0) terminal.print(`no owner answered for partitions ${unknown.join(', ')}`);
  const more = left.worst > 0 ? `, and ${left.worst} more` : '';
  if (worst.length === 0) terminal.print('no aggregate stands still');
  else
    terminal.print(
      tableOf(
        AGGREGATE_HEADINGS,
        worst.map((one) => aggregateRow(one, live.at)),
      ) + more,
    );
}
