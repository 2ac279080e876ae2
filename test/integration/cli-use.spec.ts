import { expect, test } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBRARY = 'libs/aggregate-transport';
const { bin } = JSON.parse(readFileSync(join(LIBRARY, 'package.json'), 'utf8')) as {
  bin: Record<string, string>;
};

/** Runs the command with an address where no server is: what is not understood ends before it is asked. */
function run(words: string): Promise<{ code: number | null; output: string; errors: string }> {
  const command = [
    join(LIBRARY, bin['aggregate-transport']!),
    ...words.split(' '),
    '--server=nats://127.0.0.1:1',
  ];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, command, (_error, output, errors) =>
      resolve({ code: child.exitCode, output, errors }),
    );
    child.stdin?.end();
  });
}

test.each([
  ['status --topik orders', 'expected a known option, found --topik; see --help'],
  ['status -x', 'expected a known option, found -x; see --help'],
  [
    'status --to start',
    'expected an option of "status", found --to; it has --topic, --group, --watch, --interval, --server',
  ],
  ['parked list --watch', 'expected an option of "parked list", found --watch; it has '],
  [
    'parked list --yes',
    'expected an option of "parked list", found --yes; it has --topic, --group, --reason,',
  ],
  [
    'repartition orders billing 4 --partitions 8',
    'expected an option of "repartition", found --partitions; it has ',
  ],
  ['parked show --topic', 'expected a value after --topic, found none'],
  ['parked show --topic --group billing a', 'expected a value after --topic, found none'],
  ['status --json=yes', 'expected --json without a value, found one'],
  ['status --watch --interval soon', 'expected --interval to be a number from 500 to 60000, found "soon"'],
  ['status --watch --interval 5', 'expected --interval to be a number from 500 to 60000, found "5"'],
  ['parked retry --all --rate 0', 'expected --rate to be a number above 0, found "0"'],
  ['parked retry --all --rate=', 'expected --rate to be a number above 0, found ""'],
  ['parked retry --all --wait -5', 'expected a value after --wait, found none'],
  [
    'repartition orders billing 4 --wait Infinity',
    'expected --wait to be a number above 0, found "Infinity"',
  ],
  ['repartition orders billing three', 'expected a power of two from 1 to 256 partitions, found "three"'],
  ['repartition orders billing 6', 'expected a power of two from 1 to 256 partitions, found "6"'],
  [
    'group reset orders billing --to start --partitions x',
    'expected a power of two from 1 to 256 partitions, found "x"',
  ],
  ['repartition orders', 'expected a topic and a group'],
  ['group reset orders --to start', 'expected a topic and a group'],
  ['parked skip --topic orders a', 'expected TOPIC/GROUP/AGGREGATE, or --topic, --group and an aggregate id'],
  [
    'parked list everything else',
    'expected at most 1 words after "parked list", found "else" too; see --help',
  ],
  ['status everything', 'expected at most 0 words after "status", found "everything" too; see --help'],
  ['status --creds no/such/file', 'expected --creds to name a file that can be read, found '],
  ['group show orders', 'expected a topic and a group'],
  ['group delete orders billing --resume', 'expected an option of "group delete", found --resume; it has '],
  [
    'group follow orders billing --max-lag some',
    'expected --max-lag to be a whole number from 0, found "some"',
  ],
  ['group', 'expected one of list, show, follow, reset, delete, ask after "group", found nothing'],
  [
    'parked fix',
    'expected one of list, show, retry, skip, discard, edit, export, import after "parked", found "fix"',
  ],
  [
    'parked',
    'expected one of list, show, retry, skip, discard, edit, export, import after "parked", found nothing',
  ],
  ['parked list --filter type', 'expected a filter such as type=OrderPlaced'],
  ['parked list --reason A --reason B', 'expected --reason once, found it twice'],
  ['parked retry --filter type=A --topic orders --group billing a', 'expected --filter with --all'],
  ['parked edit order-7', 'expected TOPIC/GROUP/AGGREGATE, or --topic, --group and an aggregate id'],
  ['parked edit orders/billing/a --file a --payload 1', 'expected --file or --payload, found both'],
  ['parked import', 'expected a file that parked export has written'],
  ['topic copy orders', 'expected two topics'],
  ['topic copy orders orders', 'expected two topics, found one twice'],
  ['topic edit orders --max-age soon', 'expected a value for --max-age as in --help, found "soon"'],
  ['everything', 'unknown command "everything"'],
])('"%s" ends with exit code 2 before a server is asked', async (words, text) => {
  const { code, output, errors } = await run(words);
  expect([code, output]).toEqual([2, '']);
  expect(errors.startsWith(text) ? text : errors).toBe(text);
});

test('a command that is understood and finds no server ends with exit code 1', async () => {
  const { code, errors } = await run('parked list');
  expect(code).toBe(1);
  expect(errors).toContain('expected a NATS server at');
  expect(errors).not.toContain('waitOnFirstConnect');
});

test('ends in silence if the reader of its output has left', async () => {
  const child = spawn(process.execPath, [join(LIBRARY, bin['aggregate-transport']!), '--help']);
  child.stdout.destroy();
  let errors = '';
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
});
