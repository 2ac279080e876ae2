import { afterEach, describe, expect, test } from '@jest/globals';
import { framesOf, PUBLIC_CLIENT_ONLY } from '#library/stream/clients/frames-of.js';
import type { NatsMessage } from '#library/stream/port/nats-message.js';

afterEach(() => {
  process.env[PUBLIC_CLIENT_ONLY] = '';
});

const calls: string[] = [];
const protocol = {
  outMsgs: 1,
  outBytes: 10,
  sendCommand: (bytes: Uint8Array): void => void calls.push(Buffer.from(bytes).toString()),
  flushPending: (): void => void calls.push('flush'),
};
const client = { protocol };
const known = {
  _msg: { subject: Buffer.from('a.b'), hdr: -1 },
  _rdata: Buffer.from('body'),
} as unknown as NatsMessage;

describe('what the client has beyond its interface', () => {
  test('is used where it is as expected, and what is sent counts in its statistics', () => {
    const frames = framesOf(client);
    frames.socket?.write(Buffer.from('PING\r\n'), { messages: 3, bytes: 7 });
    expect(calls).toEqual(['PING\r\n', 'flush']);
    expect([protocol.outMsgs, protocol.outBytes]).toEqual([4, 17]);
    expect([frames.subjectBytesOf(known), frames.bodyBytesOf(known)].map(String)).toEqual(['a.b', 'body']);
  });

  test.each([
    ['nats.js', false],
    ['nats.ws', true],
    [undefined, true],
  ])('over a transport called %s bytes have memory of their own: %s', (lang, isAlone) => {
    const sent: Uint8Array[] = [];
    const other = {
      ...protocol,
      transport: { lang },
      sendCommand: (bytes: Uint8Array) => void sent.push(bytes),
    };
    framesOf({ protocol: other }).socket?.write(Buffer.from('PING\r\n'), { messages: 1, bytes: 0 });
    expect([String(Buffer.from(sent[0]!)), sent[0]!.byteLength === sent[0]!.buffer.byteLength]).toEqual([
      'PING\r\n',
      isAlone,
    ]);
  });

  test('is not used by a process that wants the public interface alone', () => {
    process.env[PUBLIC_CLIENT_ONLY] = '1';
    const frames = framesOf(client);
    const used = [frames.socket, frames.subjectBytesOf(known), frames.bodyBytesOf(known)];
    expect(used).toEqual([undefined, undefined, undefined]);
  });

  test.each([
    ['no protocol', {}],
    ['a protocol of another form', { protocol: {} }],
    ['no way to write what waits', { protocol: { ...protocol, flushPending: undefined } }],
    ['no statistics', { protocol: { ...protocol, outMsgs: undefined } }],
  ])('gives no socket if the client has %s', (_name, other) => {
    expect(framesOf(other).socket).toBeUndefined();
  });

  test.each([
    ['has no parts', {}],
    ['keeps its subject as a text', { _msg: { subject: 'a.b', hdr: -1 }, _rdata: 'body' }],
  ])('gives no bytes of a message that %s', (_name, message) => {
    const frames = framesOf(client);
    const msg = message as unknown as NatsMessage;
    expect([frames.subjectBytesOf(msg), frames.bodyBytesOf(msg)]).toEqual([undefined, undefined]);
  });

  test('gives no body of a message with headers', () => {
    const message = { ...known, _msg: { subject: Buffer.from('a'), hdr: 12 } } as unknown as NatsMessage;
    expect(framesOf(client).bodyBytesOf(message)).toBeUndefined();
  });
});
