import { tokenOf } from 'nestjs-aggregate-transport';
import { InboxRows, InboxStatements } from '../inbox/inbox-rows.js';
import { namesOf, topicsOf, type Values } from './arguments.js';
import { confirm, connected } from './connected.js';
import { type Terminal, UsageError } from './terminal.js';
import { jsonLine } from './json-line.js';

/** `inbox reset GROUP`. Resolves with the exit code: 0 done, also if there was no row. */
export async function runInboxCommand(
  words: readonly string[],
  values: Values,
  terminal: Terminal,
): Promise<number> {
  const [, group, aggregateId] = words;
  if (group === undefined) throw new UsageError('expected a group after "inbox reset"; see --help');
  const [topic] = topicsOf(values);
  if (aggregateId !== undefined && topic === undefined)
    throw new UsageError(`expected --topic with the aggregate "${aggregateId}"; see --help`);
  const of = topic === undefined ? '' : ` on topic "${topic}"`;
  const what = `group "${group}"${of}${aggregateId === undefined ? '' : `, aggregate "${aggregateId}"`}`;
  await confirm(
    `every event of ${what} that comes again is applied again; stop the group first`,
    values,
    terminal,
  );
  return connected(values, async (database) => {
    const rows = new InboxRows(database.run, new InboxStatements(namesOf(values)));
    const token = aggregateId === undefined ? undefined : tokenOf(aggregateId);
    const removed = await rows.remove(group, topic, token);
    const told = `${what}: ${removed} rows removed`;
    terminal.print(
      values.json === true ? jsonLine('inbox-reset', { group, topic, aggregateId, removed }) : told,
    );
    return 0;
  });
}
