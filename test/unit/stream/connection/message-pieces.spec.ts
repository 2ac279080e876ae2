import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ClientSocket, Traffic } from '#library/stream/port/client-frames.js';
import { MessagePieces, type TextMessage } from '#library/stream/connection/message-pieces.js';

class Socket implements ClientSocket {
  readonly pieces: Uint8Array[] = [];
  readonly counts: number[] = [];
  sentBytes = 0;

  write(piece: Uint8Array, { messages, bytes }: Traffic): void {
    this.pieces.push(piece);
    this.counts.push(messages);
    this.sentBytes += bytes;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }
}

const headerText = 'NATS/1.0\r\na: b\r\n\r\n';
interface Message extends TextMessage {
  readonly subject: string;
}
const message = (text: string, subject = 's'): Message => ({
  ...{ subject, text, subjectBytes: subject.length, headerBytes: headerText.length },
  size: headerText.length + Buffer.byteLength(text),
  writeSubject: (to) => to.ascii(subject),
  writeHeaders: (to) => to.ascii(headerText),
});

/** The message as the protocol has it, made in the simplest way. */
function frameOf({ subject, text }: Message, reply: string): Buffer {
  const body = Buffer.concat([Buffer.from(headerText), Buffer.from(text)]);
  const line = `HPUB ${subject} ${reply} ${Buffer.from(headerText).length} ${body.length}\r\n`;
  return Buffer.concat([Buffer.from(line), body, Buffer.from('\r\n')]);
}

describe('messages that are written into shared memory', () => {
  let socket: Socket;
  let pieces: MessagePieces;
  beforeEach(() => {
    socket = new Socket();
    pieces = new MessagePieces(socket);
  });

  test('leave as one piece at the end of their turn', async () => {
    const sent = [message('one'), message('zwei, größer 🚚'), message('')];
    for (const each of sent) expect(pieces.add(each, '', 'r')).toBe(true);
    expect(socket.pieces).toEqual([]);
    await Promise.resolve();
    expect(socket.counts).toEqual([3]);
    expect(socket.sentBytes).toBe(sent.reduce((sum, { size }) => sum + size, 0));
    expect(socket.bytes).toEqual(Buffer.concat(sent.map((each) => frameOf(each, 'r'))));
  });

  test('leave at once when they are called for, and not twice', async () => {
    pieces.add(message('one'), '', 'r');
    pieces.flush();
    expect(socket.counts).toEqual([1]);
    pieces.flush();
    await Promise.resolve();
    expect(socket.counts).toEqual([1]);
  });

  test('leave before the end of the turn when their memory is full, and keep their bytes', async () => {
    const sent = Array.from({ length: 300 }, (_, n) => message(`${n} `.repeat(200)));
    for (const each of sent) pieces.add(each, '', 'r');
    expect(socket.pieces.length).toBeGreaterThan(1);
    await Promise.resolve();
    expect(socket.counts.reduce((sum, count) => sum + count)).toBe(300);
    expect(socket.bytes.equals(Buffer.concat(sent.map((each) => frameOf(each, 'r'))))).toBe(true);
  });

  test('of many turns share one memory, each with a place of its own', async () => {
    for (const text of ['one', 'two', 'three']) {
      pieces.add(message(text), '', 'r');
      await Promise.resolve();
    }
    const memories = new Set(socket.pieces.map(({ buffer }) => buffer));
    expect([socket.pieces.length, memories.size]).toEqual([3, 1]);
    expect(socket.bytes).toEqual(
      Buffer.concat(['one', 'two', 'three'].map((text) => frameOf(message(text), 'r'))),
    );
  });

  test('are refused if one alone is longer than the memory; one that nearly fills it is not', async () => {
    expect(pieces.add(message('x'.repeat(65_536)), '', 'r')).toBe(false);
    await Promise.resolve();
    expect(socket.pieces).toEqual([]);
    const long = message(`${'x'.repeat(65_400)}é`);
    expect(pieces.add(long, '', 'r')).toBe(true);
    await Promise.resolve();
    expect(socket.bytes.equals(frameOf(long, 'r'))).toBe(true);
  });

  test('are the bytes of the protocol, in call order, for any texts and turns', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc
        .tuple(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 }), fc.nat(9_000))
        .map(([unit, n]) => unit.repeat(n)),
    );
    const step = fc.record({
      text,
      subject: fc.stringMatching(/^[a-z]{1,9}$/),
      ends: fc.constantFrom('no', 'turn', 'flush'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const [to, from] = [new Socket(), [] as Buffer[]];
        const writing = new MessagePieces(to);
        for (const { text: body, subject, ends } of steps) {
          const each = message(body, subject);
          if (writing.add(each, 'r.', subject)) from.push(frameOf(each, `r.${subject}`));
          if (ends === 'turn') await Promise.resolve();
          if (ends === 'flush') writing.flush();
        }
        await Promise.resolve();
        expect(to.bytes.equals(Buffer.concat(from))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
