import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { argumentsOf } from '#board/cli/arguments.js';
import { ACCESS_FLAGS } from '#library/cli/command/access-flags.js';

const folder = mkdtempSync(join(tmpdir(), 'board-'));
const token = 'a-token-of-this-test';
const file = join(folder, 'token');
writeFileSync(file, `${token}\n`);
writeFileSync(join(folder, 'short'), 'short');
afterAll(() => rmSync(folder, { recursive: true }));

const read = (...args: string[]) => argumentsOf(args, ACCESS_FLAGS);

test('serves this machine alone, and shows no payload, unless it is told otherwise', async () => {
  await expect(read()).resolves.toMatchObject({
    ...{ host: '127.0.0.1', port: 4_180, access: { kind: 'loopback' } },
    ...{ payloads: false, isReadOnly: false, traceUrl: undefined },
  });
});

test('takes a token on any host, and the ways to NATS as every command has them', async () => {
  await expect(read('--token-file', file, '--server', 'nats://n', '--creds', 'c')).resolves.toMatchObject({
    access: { kind: 'token', token },
    server: { server: 'nats://n', creds: 'c' },
  });
  await expect(
    read('--host', '0.0.0.0', '--allow-remote', '--token-file', file, '--read-only', '--payloads'),
  ).resolves.toMatchObject({ access: { kind: 'token', token }, isReadOnly: true, payloads: true });
});

describe('refuses', () => {
  test.each([
    ['another host alone', ['--host', '0.0.0.0']],
    ['another host without a token', ['--host', '0.0.0.0', '--allow-remote']],
    ['another host without the word', ['--host', '10.0.0.1', '--token-file', file]],
    ['a host that only begins like this machine', ['--host', '127.0.0.1.evil.example']],
    ['a short token', ['--host', '0.0.0.0', '--allow-remote', '--token-file', join(folder, 'short')]],
    ['a token file that is not there', ['--token-file', join(folder, 'none')]],
    ['a port that is no number', ['--port', 'http']],
    ['no port', ['--port', '']],
    ['a link that would run', ['--trace-url', 'javascript:alert(1)//{traceId}']],
    ['what it does not know', ['--colour']],
    ['words', ['overview']],
  ])('%s', async (_name, args) => {
    await expect(read(...args)).rejects.toMatchObject({ name: 'UsageError' });
  });
});
