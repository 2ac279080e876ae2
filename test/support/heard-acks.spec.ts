import { describe, expect, test } from '@jest/globals';
import type { Msg } from 'nats';
import { type HeardAck, HeardAcks } from './heard-acks.js';

function listen(isLone: boolean) {
  const sent: HeardAck[] = [];
  const confirmed: number[] = [];
  const heard = new HeardAcks({
    isLone,
    sent: (ack) => sent.push(ack),
    confirmed: (sequence) => confirmed.push(sequence),
  });
  const message = (subject: string, body: string, rest: Partial<Msg> = {}): Msg =>
    ({ subject, data: Buffer.from(body), ...rest }) as Msg;
  const acked = (sequence: number, reply = '', consumer = 'c', body = '+ACK'): void =>
    heard.acked(message(`$JS.ACK.stream.${consumer}.1.${sequence}.7.1.0`, body, { reply }));
  const answered = (reply: string, rest: Partial<Msg> = {}): void => heard.answered(message(reply, '', rest));
  return { heard, sent, confirmed, acked, answered };
}

describe.each([true, false])('on one server alone: %s', (isLone) => {
  test('every ack is told, with what it asks for, and nothing else that goes the same way', () => {
    const { sent, acked } = listen(isLone);
    acked(1);
    acked(2, 'i.2');
    acked(3, '', 'c', '-NAK');
    acked(4, 'i.4', 'c', '+WPI');
    expect(sent).toEqual([
      { sequence: 1, consumer: 'c', asks: false },
      { sequence: 2, consumer: 'c', asks: true },
    ]);
  });

  test('an answer confirms the ack that asked for it, once for every time it was sent', () => {
    const { confirmed, acked, answered } = listen(isLone);
    acked(2, 'i.2');
    acked(2, 'i.2');
    answered('i.2');
    expect(confirmed).toEqual([2]);
    answered('i.2');
    answered('i.2');
    expect(confirmed).toEqual([2, 2]);
  });

  test('an answer may come by before its ack', () => {
    const { confirmed, acked, answered } = listen(isLone);
    answered('i.2');
    acked(2, 'i.2');
    expect(confirmed).toEqual([2]);
  });

  test('"no responders" confirms nothing, and neither does an answer with a body', () => {
    const { heard, confirmed, acked, answered } = listen(isLone);
    acked(2, 'i.2');
    answered('i.2', { headers: {} as never });
    heard.answered({ subject: 'i.2', data: Buffer.from('{}') } as unknown as Msg);
    expect(confirmed).toEqual([]);
  });

  test('what was heard before an interruption is confirmed by nothing that is heard behind it', () => {
    const { heard, confirmed, acked, answered } = listen(isLone);
    acked(1);
    acked(2, 'i.2');
    heard.interrupted();
    answered('i.2');
    acked(3, 'i.3');
    answered('i.3');
    expect(confirmed).toEqual([3]);
  });
});

test('a lone server has worked through all that came before, for the same consumer', () => {
  const { confirmed, acked, answered } = listen(true);
  acked(1);
  acked(9, '', 'other');
  acked(2, 'i.2');
  acked(3);
  answered('i.2');
  expect(confirmed).toEqual([1, 2]);
  acked(4, 'i.4');
  answered('i.4');
  expect(confirmed).toEqual([1, 2, 3, 4]);
});

test('in a cluster an answer speaks of its own ack only', () => {
  const { confirmed, acked, answered } = listen(false);
  acked(1);
  acked(2, 'i.2');
  acked(3, 'i.3');
  answered('i.3');
  expect(confirmed).toEqual([3]);
  answered('i.2');
  expect(confirmed).toEqual([3, 2]);
});
