import { defineCommand } from '../command/command.js';
import { untilInterrupted } from '../command/until-interrupted.js';
import { numberOf } from '../command/values.js';
import { StatusCommand } from './status.js';

export const statusCommand = defineCommand({
  name: 'status',
  flags: { topic: 'string', group: 'string', watch: 'boolean', interval: 'string' },
  words: 0,
  help: [
    ['[--topic T] [--group G]', 'each partition: owner, epoch, lag, parked'],
    ['[--watch [--interval MS]]', 'again and again, every 1000 ms (500 to 60000)'],
  ],
  prepare({ flags }, { terminal, clock, connected }) {
    const everyMs = numberOf('interval', flags.interval, { otherwise: 1_000, least: 500, most: 60_000 });
    const args = {
      topic: flags.topic,
      group: flags.group,
      json: flags.json === true,
      everyMs: flags.watch === true ? everyMs : undefined,
    };
    return () =>
      connected((connection) =>
        untilInterrupted(({ signal }) => new StatusCommand(connection, terminal, clock).run(args, signal)),
      );
  },
});
