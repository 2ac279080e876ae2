import { expect, test } from '@jest/globals';
import { type WireMessage, WireReader } from './wire-reader.js';

const BYTES = Buffer.from(
  'CONNECT {"verbose":false}\r\nPING\r\n' +
    'PUB orders.a _INBOX.1 3\r\nabc\r\n' +
    'PUB orders.b 0\r\n\r\n' +
    'HPUB orders.c _INBOX.2 12 18\r\nNATS/1.0\r\n\r\n{"ä"}\r\n' +
    'MSG _INBOX.1 7 5\r\n\r\n{}\n\r\n' +
    'HMSG _INBOX.2 7 30 30\r\nNATS/1.0 503 No Responders\r\n\r\n\r\n',
);

test('every message is found, however the bytes are cut', () => {
  for (let size = 1; size <= BYTES.length; size++) {
    const found: WireMessage[] = [];
    const reader = new WireReader((message) => found.push(message));
    for (let at = 0; at < BYTES.length; at += size) reader.feed(BYTES.subarray(at, at + size));
    expect(found).toEqual([
      { subject: 'orders.a', reply: '_INBOX.1', headers: '', body: 'abc' },
      { subject: 'orders.b', reply: '', headers: '', body: '' },
      { subject: 'orders.c', reply: '_INBOX.2', headers: 'NATS/1.0\r\n\r\n', body: '{"ä"}' },
      { subject: '_INBOX.1', reply: '', headers: '', body: '\r\n{}\n' },
      { subject: '_INBOX.2', reply: '', headers: 'NATS/1.0 503 No Responders\r\n\r\n', body: '' },
    ]);
  }
});
