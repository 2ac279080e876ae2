import { ServerOperations } from '../../operations/server-operations.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import { OperatedServerWire } from '../../stream/operating/topic-wire.js';
import { defineCommand } from '../command/command.js';
import { serveMcp } from './mcp-server.js';
import { toolsOf } from './mcp-tools.js';
import { versionAbove } from './own-version.js';

export const mcpCommand = defineCommand({
  name: 'mcp',
  flags: { 'allow-commands': 'boolean', payloads: 'boolean' },
  words: 0,
  help: [
    ['', 'an MCP server on the standard input and output: topics, groups, parked aggregates, histories'],
    ['[--payloads]', 'tells payloads of events and letters, too'],
    ['[--allow-commands]', 'offers retry, skip and discard as well; without it nothing can be changed'],
  ],
  prepare({ flags }, { clock, connected }) {
    const isAllowed = flags['allow-commands'] === true;
    const tools = toolsOf({ payloads: flags.payloads === true }).filter(
      ({ changes }) => isAllowed || changes === undefined,
    );
    return () =>
      connected(async (connection) => {
        const access = { connection, api: new JetStreamApi(connection) };
        const operations = new ServerOperations(new OperatedServerWire(access, clock), clock);
        await serveMcp({ operations, tools, version: versionAbove(process.argv[1] ?? '') });
        return 0;
      });
  },
});
