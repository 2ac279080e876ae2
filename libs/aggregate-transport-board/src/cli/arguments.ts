import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { AccessFlags, AddOnSurroundings } from 'nestjs-aggregate-transport/operating';
import type { Access } from '../http/access.js';
import { isTraceUrl } from '../options.js';
import { UsageError } from './terminal.js';

export const USAGE = `Usage: aggregate-transport board [options]

  Shows topics, groups and aggregates in a browser, until SIGINT or SIGTERM: which aggregate is stuck, since when, why,
  where, and what to do. It reads the server, and asks running processes.

  --port N           4180; 0: a free one
  --host H           127.0.0.1; another one needs --allow-remote and --token-file
  --allow-remote     others than this machine may connect; put TLS in front
  --token-file FILE  who opens the board has to show the token in this file: 16 to 200 letters, digits, - and _
  --read-only        no button changes anything
  --payloads         show payloads of events and letters; without it none leaves the server
  --trace-url URL    a link to each trace, such as https://traces.example/{traceId}

  --server URL, --context NAME, --creds FILE and the other ways to reach NATS: as every command has them

Exit code: 0 ended, 1 not started, 2 not understood.`;

const FLAGS = {
  port: { type: 'string' },
  host: { type: 'string' },
  'allow-remote': { type: 'boolean' },
  'token-file': { type: 'string' },
  'read-only': { type: 'boolean' },
  payloads: { type: 'boolean' },
  'trace-url': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

export interface BoardArguments {
  readonly isHelp: boolean;
  readonly host: string;
  readonly port: number;
  readonly access: Access;
  readonly isReadOnly: boolean;
  readonly payloads: boolean;
  readonly traceUrl: string | undefined;
  readonly server: AccessFlags;
}

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 4_180;
const MAX_PORT = 65_535;
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;
const TOKEN = /^[\w-]{16,200}$/;

/** Reads the command line, and the file it names. @throws UsageError */
export async function argumentsOf(
  args: readonly string[],
  accessFlags: AddOnSurroundings['accessFlags'],
): Promise<BoardArguments> {
  const { host = DEFAULT_HOST, port, help, payloads, ...given } = parsed(args, accessFlags);
  const traceUrl = given['trace-url'];
  if (traceUrl !== undefined && !isTraceUrl(traceUrl))
    throw new UsageError(
      'expected --trace-url to be a URL of http or https with {traceId}, found another text',
    );
  return {
    ...{ isHelp: help === true, host, port: portOf(port), payloads: payloads === true, traceUrl },
    isReadOnly: given['read-only'] === true,
    access: await accessTo(host, given['allow-remote'] === true, given['token-file']),
    server: given as AccessFlags,
  };
}

type Given = {
  readonly [K in keyof typeof FLAGS]?: (typeof FLAGS)[K]['type'] extends 'string' ? string : boolean;
};

function parsed(args: readonly string[], accessFlags: AddOnSurroundings['accessFlags']): Given {
  const ways = Object.fromEntries(Object.entries(accessFlags).map(([name, type]) => [name, { type }]));
  try {
    return parseArgs({ args: [...args], options: { ...ways, ...FLAGS } }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; see --help`);
  }
}

function portOf(text: string | undefined): number {
  const port = text === undefined ? DEFAULT_PORT : Number(text === '' ? Number.NaN : text);
  if (Number.isInteger(port) && port >= 0 && port <= MAX_PORT) return port;
  throw new UsageError(`expected --port to be a whole number from 0 to ${MAX_PORT}, found "${text ?? ''}"`);
}

async function accessTo(host: string, mayBeRemote: boolean, file: string | undefined): Promise<Access> {
  const token = file === undefined ? undefined : await tokenIn(file);
  if (LOOPBACK.test(host)) return token === undefined ? { kind: 'loopback' } : { kind: 'token', token };
  if (mayBeRemote && token !== undefined) return { kind: 'token', token };
  throw new UsageError(
    `expected --allow-remote and --token-file with --host ${host}, as others could see and change everything, ` +
      'found one of them at most; give both, or leave the board on 127.0.0.1 and reach it through a tunnel',
  );
}

async function tokenIn(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => {
    throw new UsageError(`expected --token-file to name a file that can be read, found "${file}"`);
  });
  const token = text.trim();
  if (TOKEN.test(token)) return token;
  throw new UsageError(
    'expected --token-file to hold 16 to 200 letters, digits, - and _, found another text',
  );
}
