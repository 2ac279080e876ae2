// The door of the command line: `npx aggregate-transport board` loads it from the project's own package.
import { type AddOnSurroundings, connectOperations } from 'nestjs-aggregate-transport/operating';
import { argumentsOf, USAGE } from './cli/arguments.js';
import type { Terminal } from './cli/terminal.js';
import { systemClock } from './clock.js';
import { BoardServer } from './http/board-server.js';
import { EVERY_MS } from './live/live-views.js';
import { ServerLink } from './cli/server-link.js';
import { OperationsSource } from './operations/operations-source.js';

/** Serves the board until SIGINT or SIGTERM. Resolves with the exit code. */
export async function run(
  _area: string,
  args: readonly string[],
  terminal: Terminal,
  { accessFlags, accessOf }: AddOnSurroundings,
): Promise<number> {
  const { isHelp, host, port, access, server: flags, ...settings } = await argumentsOf(args, accessFlags);
  if (isHelp) {
    terminal.print(USAGE);
    return 0;
  }
  // Files and flags are understood before anything is opened, and read again for each connection.
  await accessOf(flags);
  const log = { info: (text: string) => terminal.print(text), warn: (text: string) => terminal.print(text) };
  const link = new ServerLink({
    ...{ connect: async () => connectOperations(await accessOf(flags)), clock: systemClock, log },
  });
  const source = new OperationsSource(link.open, systemClock);
  try {
    const server = await BoardServer.listen(
      { ...settings, source, clock: systemClock, log, access, everyMs: EVERY_MS },
      { host, port },
    );
    const name = host.includes(':') ? `[${host}]` : host;
    const hint = access.kind === 'token' ? '?token=…, with the token of your file' : '';
    terminal.print(`the board is at http://${name}:${server.port}/${hint}`);
    try {
      // What no waiting helps, such as a client that is not installed, ends the command.
      await Promise.race([untilEnded(), link.failed]);
    } finally {
      await server.close();
    }
    return 0;
  } finally {
    await link.close();
  }
}

function untilEnded(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}
