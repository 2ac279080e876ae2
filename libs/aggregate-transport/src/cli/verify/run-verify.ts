import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Clock } from '../../clock.js';
import { describeError } from '../../errors.js';
import { JetStreamApi } from '../../stream/api/jetstream-api.js';
import type { Connection } from '../../stream/connection/connection.js';
import type { ProxyTarget } from '../../verifying/harness/tcp-proxy.js';
import { sizeBoundOf, type VerifySettings } from '../../verifying/settings.js';
import { verdictOf } from '../../verifying/verdict.js';
import { ProcessFailure, Verification } from '../../verifying/verification.js';
import type { AccessFlags } from '../command/access-flags.js';
import { jsonLine } from '../command/json-line.js';
import { type Terminal, UsageError } from '../command/terminal.js';
import { type Leftover, OwnStreams } from './own-streams.js';
import { ServerOfRun } from './server-of-run.js';
import { announcementOf, linesOf } from './verify-report.js';

/** What the command line asks for. */
export interface VerifyArguments {
  readonly settings: VerifySettings;
  readonly handlers: { readonly file: string; readonly topic: string | undefined } | undefined;
  readonly copies: number | undefined;
  readonly json: boolean;
  /** Keeps streams and journals. */
  readonly keep: boolean;
  readonly access: AccessFlags;
  readonly servers: readonly ProxyTarget[];
  /** The user asks for TLS. */
  readonly isTls: boolean;
}

/** Why a run was ended from outside. */
export class Stopped extends Error {
  override readonly name = 'Stopped';

  constructor(
    readonly by: 'SIGINT' | 'SIGTERM',
    readonly exitCode: number,
  ) {
    super(`stopped by ${by}`);
  }
}

/** The word after which this command line is a process of a run. */
export const PROCESS_WORD = '--process-of-verify';
/** From the end of the faults until no process of a run lives. */
const REST_SECONDS = 300;

interface RunSurroundings {
  readonly terminal: Pick<Terminal, 'print'>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Carries out one run: makes what it needs, runs it, tells the verdict, removes what it made. Exit code 0, 1 or 2. */
export async function runVerify(
  args: VerifyArguments,
  connection: Connection,
  { terminal, clock, signal }: RunSurroundings,
): Promise<number> {
  const { settings, json, keep } = args;
  const { topic } = settings;
  const say = (text: string): void => (json ? undefined : terminal.print(text));
  requireFile(args.handlers?.file);
  const streams = new OwnStreams(new JetStreamApi(connection));
  const copies = await makeStreams(streams, args, connection, { clock, say });
  const verification = new Verification({
    ...{ settings, copies, say, signal, access: { ...args.access }, servers: args.servers },
    handlers: args.handlers,
    isTls: args.isTls || connection.nats.info?.tls_required === true,
    command: [process.argv[1] ?? '', PROCESS_WORD],
    server: new ServerOfRun(connection, settings, clock),
  });
  try {
    const verdict = verdictOf(await verification.run());
    const kept = keep ? { folder: verification.folder } : {};
    if (json) terminal.print(jsonLine('verdict', { ...verdict, ...kept }));
    else for (const line of linesOf(verdict)) terminal.print(line);
    return verdict.verdict === 'green' ? 0 : 1;
  } catch (error) {
    return exitCodeOf(error, say);
  } finally {
    if (keep) say(`kept the streams of ${topic}, and the journals in ${verification.folder}`);
    else {
      verification.forget();
      await removeAll(streams, topic, say);
    }
  }
}

/** Says what is made, and makes it. Resolves with the number of copies of each stream. */
async function makeStreams(
  streams: OwnStreams,
  { settings, copies: asked }: VerifyArguments,
  connection: Connection,
  { clock, say }: { readonly clock: Clock; readonly say: (text: string) => void },
): Promise<number> {
  const { topic } = settings;
  const copies = asked ?? (await streams.copiesFor(isInCluster(connection)));
  const bound = sizeBoundOf(settings);
  for (const line of announcementOf(topic, bound, copies)) say(line);
  await tellLeftovers(streams, topic, say);
  const startedAt = new Date(clock.wallNow()).toISOString();
  const seconds = settings.seconds + REST_SECONDS;
  await streams.make(topic, bound, { host: hostname(), pid: process.pid, startedAt, seconds, copies });
  return copies;
}

/** Whether the servers that store are a cluster. Elsewhere they are not those that are connected: one copy is safe. */
function isInCluster({ jetStream, nats }: Connection): boolean {
  return jetStream.option === undefined && nats.info?.cluster !== undefined;
}

/** @throws what is no orderly end */
function exitCodeOf(error: unknown, say: (text: string) => void): number {
  if (error instanceof Stopped) {
    say(`${error.message}; nothing is proven`);
    return error.exitCode;
  }
  if (error instanceof ProcessFailure && error.isUsage) throw new UsageError(error.message);
  throw error;
}

/** A verdict is worth more than a failed removal: the latter is told, and left to `--clean`. */
async function removeAll(streams: OwnStreams, topic: string, say: (text: string) => void): Promise<void> {
  try {
    const left = await streams.leftover(topic);
    if (left !== undefined) await streams.remove(left);
    say(`removed everything of ${topic}`);
  } catch (error) {
    process.stderr.write(
      `expected to remove the streams of ${topic}, found ${describeError(error)}; ` +
        'run aggregate-transport verify --clean\n',
    );
  }
}

/** A look that is not allowed is left out: a user may be allowed no more than its own streams. */
async function tellLeftovers(streams: OwnStreams, topic: string, say: (text: string) => void): Promise<void> {
  const left = await streams.leftovers().catch((): Leftover[] => []);
  const others = left.filter((one) => one.topic !== topic).map((one) => one.topic);
  if (others.length > 0)
    say(`found streams of other runs: ${others.join(', ')}; verify --clean removes those that have ended`);
}

function requireFile(file: string | undefined): void {
  if (file !== undefined && !existsSync(resolve(file)))
    throw new UsageError(`expected --handlers to name a built file, found none at ${file}; build it first`);
}
