import { defineCommand } from '../command/command.js';
import { examine } from './doctor.js';

export const doctorCommand = defineCommand({
  name: 'doctor',
  flags: { module: 'string', topic: 'string', group: 'string' },
  words: 0,
  help: [
    ['', 'connection, version, permissions, settings, clock, room: each ok, warn or fail, and what to do'],
    ['[--module dist/app.module.js]', 'against the options of this module'],
    ['[--topic T] [--group G]', 'without a module: only this topic; what its groups need, too'],
  ],
  prepare({ flags }, surroundings) {
    const { module, topic, group, server, servers } = flags;
    const hasServer = (server ?? servers ?? process.env['NATS_URL']) !== undefined;
    return () => examine({ module, topic, group, json: flags.json === true, hasServer }, surroundings);
  },
});
