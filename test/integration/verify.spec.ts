import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { connect } from 'nats';
import { diesWithParent } from '#library/verifying/harness/dies-with-parent.js';
import type { Verdict } from '#library/verifying/verdict.js';
import { COMMAND_FILE, runCommand } from '../support/command.js';
import { eventually } from '../support/eventually.js';
import { isRunning } from '../support/is-running.js';
import { serverForAll } from '../support/server.js';

const TOPIC = 'aggregate-verify-orders';
// Processes of their own on a real server, through the built command line.
const server = serverForAll({ config: usersOf(readFileSync('docs/verify.md', 'utf8')) });
const SHORT = ['--seconds', '6', '--events', '600', '--aggregates', '20', '--partitions', '2'];
/** Its first faults take partitions from their owners. */
const SEED = '19';
const TIME = 120_000;

/** A user who may do everything, and one with the permissions of the page, who gives its name. */
function usersOf(page: string): string {
  const [, usual = '', buckets = ''] = page.split('```conf\n').map((part) => part.split('```')[0]!);
  const permissions = usual
    .replaceAll(
      /"([^"]*)"/g,
      (_, subject: string) => `"${subject.replaceAll(/(?<![A-Z])T(?=[._]|$)/g, TOPIC)}"`,
    )
    .replace('publish: [', `publish: [\n${buckets}`);
  const users = `{ user: all, password: all }, { user: verify, password: verify, permissions: {${permissions}} }`;
  return `authorization { users: [${users}] }\nno_auth_user: all`;
}

const started: ChildProcess[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  // What a test that failed has left would let the next ones fail.
  if ((await streams()).length > 0) await verify('--clean', '--yes');
});

/** Every stream of the server. */
async function streams(): Promise<string[]> {
  const nats = await connect({ servers: server().url });
  try {
    const names: string[] = [];
    for await (const name of (await nats.jetstreamManager()).streams.names()) names.push(name);
    return names;
  } finally {
    await nats.close();
  }
}

function verify(...args: string[]) {
  return runCommand({ args: ['verify', '--server', server().url, ...args] });
}

/** A run that has its processes; resolves with those. */
async function running(topic: string): Promise<{ parent: ChildProcess; children: number[] }> {
  const args = [COMMAND_FILE, 'verify', '--server', server().url, '--topic', topic, '--seconds', '60'];
  const parent = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  diesWithParent(parent);
  started.push(parent);
  let output = '';
  parent.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await eventually('its processes', () => output.includes('replicas and'), 60_000);
  const list = readFileSync(`/proc/${parent.pid ?? 0}/task/${parent.pid ?? 0}/children`, 'utf8');
  return { parent, children: list.trim().split(' ').map(Number) };
}

test(
  "is green through the user's own module, with the permissions of the page, and removes all",
  async () => {
    const shop = ['--handlers', 'test/support/verify/shop.mjs', '--topic', 'orders'];
    const user = ['--user', 'verify', '--password', 'verify'];
    const { code, output, errors } = await verify(...SHORT, '--seed', SEED, ...shop, ...user, '--json');
    expect(errors).toBe('');
    const verdict = JSON.parse(output) as Verdict;
    expect(verdict).toMatchObject({ verdict: 'green', topic: TOPIC, seed: Number(SEED) });
    expect(verdict.events).toMatchObject({ published: 600, stored: 600, handled: 600 });
    expect(verdict.failovers).toBeGreaterThanOrEqual(2);
    expect(verdict.replayed).toBe(verdict.parked);
    expect(verdict.handlerErrors).toEqual([]);
    expect(code).toBe(0);
    expect(await streams()).toEqual([]);
  },
  TIME,
);

test(
  'is red without fencing tokens, by name, and shows the history around it',
  async () => {
    const { code, output } = await runCommand({
      args: [
        ...['verify', '--server', server().url, ...SHORT, '--seed', SEED],
        ...['--handlers', 'test/support/verify/function.mjs'],
      ],
      execArgv: ['--conditions=aggregate-transport-sabotage'],
      env: { AGGREGATE_TRANSPORT_SABOTAGE: 'token-stands-still' },
    });
    // Which of them depends on who owned what when the faults came.
    expect(output).toMatch(/RED: .*(?:one-owner|fencing|repeats)/);
    expect(output).toMatch(
      /BROKEN (?:one-owner|fencing|repeats) .*\n {2}verify-\d+: .*replica-\d-\d.*\n {4}\d+ \(sequence \d+\)/,
    );
    // What the user's function throws is named, and is no finding.
    expect(output).toMatch(/handlers +\d+ × TypeError: the shop is closed/);
    expect(code).toBe(1);
    expect(await streams()).toEqual([]);
  },
  TIME,
);

describe('ended from outside', () => {
  test(
    'by SIGINT it removes all, and says that nothing is proven',
    async () => {
      const { parent, children } = await running('stopped');
      parent.kill('SIGINT');
      expect(await once(parent, 'exit')).toEqual([130, null]);
      expect(children.filter(isRunning)).toEqual([]);
      expect(await streams()).toEqual([]);
    },
    TIME,
  );

  test(
    'by SIGKILL its processes end, frozen ones too, and --clean removes the rest',
    async () => {
      const { parent, children } = await running('killed');
      // The first one is a replica.
      process.kill(children[0]!, 'SIGSTOP');
      parent.kill('SIGKILL');
      await once(parent, 'exit');
      await eventually('no process', () => !children.some(isRunning));
      expect(await streams()).toContain('aggregate-verify-killed');
      const again = await verify('--topic', 'killed', ...SHORT);
      expect(again.code).toBe(2);
      expect(again.errors).toContain('verify --clean --topic killed');
      expect((await verify('--clean')).output).toBe('removed aggregate-verify-killed\n');
      expect(await streams()).toEqual([]);
      expect((await verify('--clean')).output).toBe('nothing is left of any run\n');
    },
    TIME,
  );
});

describe('what the user gives is refused with exit code 2, and nothing stays:', () => {
  test.each([
    ['with-options', [], 'without AggregateTransportModule.forRoot, found it'],
    ['missing', [], 'found none at test/support/verify/missing.mjs; build it first'],
    ['shop', ['--topic', 'invoices'], 'expected a handler for topic "invoices"'],
  ])(
    '%s.mjs %j',
    async (name, args, text) => {
      const file = `test/support/verify/${name}.mjs`;
      const { code, errors } = await verify(...SHORT, '--handlers', file, ...args);
      expect(errors).toContain(text);
      expect(code).toBe(2);
      expect(await streams()).toEqual([]);
    },
    TIME,
  );
});
