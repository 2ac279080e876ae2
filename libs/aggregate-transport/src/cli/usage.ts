import type { Command } from './command/command.js';

const COLUMN = 51;

const HEAD = 'Usage: aggregate-transport <command> [options]';

const OTHERS = `  postgres|outbox|inbox …                          with nestjs-aggregate-transport-postgres installed; see
                                                   aggregate-transport postgres --help
  board …                                          with nestjs-aggregate-transport-board installed; see
                                                   aggregate-transport board --help`;

const COMMON_LINES = `  --server URL    or --servers; default: NATS_URL, else nats://127.0.0.1:4222
  --user NAME --password TEXT | --token TEXT | --creds FILE | --nkey FILE
  --tlsca FILE    --tlscert FILE --tlskey FILE --tlsfirst
  --js-domain D   or --js-api-prefix P: JetStream behind a leaf node, or of another account
  --inbox-prefix P
  --context NAME  a context of the nats command line; also NATS_CONTEXT, NATS_USER, NATS_PASSWORD, NATS_TOKEN,
                  NATS_CREDS, NATS_NKEY, NATS_CA, NATS_CERT, NATS_KEY, NATS_TLS_FIRST, NATS_INBOX_PREFIX
  --json          one JSON value per line instead of tables
  --yes           do not ask before something is dropped, or a group is drained

Exit code: 0 done, 1 not done, 2 not understood or not confirmed.`;

/** What `--help` prints: of all commands, or of one. Pure. */
export function usageOf(commands: readonly Command[]): string {
  const areas = new Map<string, string[]>();
  for (const command of commands) {
    const [area = ''] = command.name.split(' ');
    areas.set(area, [...(areas.get(area) ?? []), ...linesOf(command)]);
  }
  const blocks = [...areas.values()].map((lines) => lines.join('\n'));
  return [HEAD, ...blocks, ...(commands.length > 1 ? [OTHERS] : []), COMMON_LINES].join('\n\n');
}

/** A use that begins with an option belongs to the one above it. */
function linesOf({ name, help }: Command): string[] {
  return help.map(([use, what], index) => {
    const isMore = index > 0 && use.startsWith('[');
    const left = isMore ? `          ${use}` : `  ${name} ${use}`.trimEnd();
    return left.length < COLUMN - 1
      ? `${left.padEnd(COLUMN)}${what}`
      : `${left}\n${' '.repeat(COLUMN)}${what}`;
  });
}
