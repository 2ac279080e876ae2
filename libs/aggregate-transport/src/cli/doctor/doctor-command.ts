import { ACCESS_FLAGS, type AccessFlags, flagsOfEnvironment } from '../command/access-flags.js';
import { defineCommand } from '../command/command.js';
import { UsageError } from '../command/terminal.js';
import { examine } from './doctor.js';

export const doctorCommand = defineCommand({
  name: 'doctor',
  flags: { module: 'string', topic: 'string', group: 'string' },
  words: 0,
  triesPermissions: true,
  help: [
    ['', 'connection, version, permissions, settings, clock, room: each ok, warn or fail, and what to do'],
    ['[--module dist/app.module.js]', 'against the options of this module'],
    ['[--topic T] [--group G]', 'without a module: only this topic; what its groups need, too'],
  ],
  prepare({ flags }, surroundings) {
    const { module, topic, group } = flags;
    const hasServer = namesServer(flags) || namesServer(flagsOfEnvironment(process.env));
    const ways = Object.keys(ACCESS_FLAGS).filter((flag) => flag in flags);
    if (module !== undefined && !hasServer && ways.length > 0)
      throw new UsageError(
        `expected --server or --context beside --${ways[0]}, found --module alone, which has a user of its own`,
      );
    return () => examine({ module, topic, group, json: flags.json === true, hasServer }, surroundings);
  },
});

/** The server is another one than that of a module. */
function namesServer({ server, servers, context }: AccessFlags): boolean {
  return [server, servers, context].some((name) => name !== undefined);
}
