import { describe, expect, test } from '@jest/globals';
import type { MessageHeaders, NatsMessage } from '#library/stream/port/nats-message.js';
import { NatsFailure } from '#library/stream/port/nats-failure.js';
import type { MessageCallback } from '#library/stream/port/nats-port.js';
import { RequestInbox, type RequestWay } from '#library/stream/port/request-inbox.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

interface Sent {
  readonly subject: string;
  readonly reply: string;
}

/** The way of a connection: what is sent is noted, and answered by hand. */
function fixture() {
  const clock = new ManualClock(0);
  const sent: Sent[] = [];
  const heard: { subject: string; callback: MessageCallback; isOpen: boolean }[] = [];
  let refusal: NatsFailure | undefined;
  let inboxes = 0;
  const way: RequestWay = {
    createInbox: () => `_INBOX.${++inboxes}`,
    publish: (subject, _body, options) => {
      if (refusal !== undefined) throw refusal;
      sent.push({ subject, reply: options?.reply ?? '' });
    },
    subscribe: (subject, { callback }) => {
      const one = { subject, callback, isOpen: true };
      heard.push(one);
      return { unsubscribe: () => void (one.isOpen = false) };
    },
  };
  const inbox = new RequestInbox(way, clock);
  const answer = (index: number, message: Partial<NatsMessage>): void => {
    const subject = sent[index]!.reply;
    heard.at(-1)!.callback(null, { subject, data: new Uint8Array(1), ...message } as NatsMessage);
  };
  const refuse = (failure: NatsFailure | undefined): void => void (refusal = failure);
  return { clock, sent, heard, inbox, answer, refuse };
}

const statusOf = (code: number): MessageHeaders => ({
  ...{ code, description: '', get: () => '' },
  [Symbol.iterator]: () => [].values(),
});
const denial = { operation: 'publish', subject: 'a' };

describe('requests over one inbox', () => {
  test('share one subscription, and each gets its own answer in any order they come', async () => {
    const { inbox, sent, heard, answer, clock } = fixture();
    const answers = Promise.all(['a', 'b', 'c'].map((subject) => inbox.request(subject)));
    expect(heard.map(({ subject }) => subject)).toEqual(['_INBOX.1.*']);
    expect(new Set(sent.map(({ reply }) => reply)).size).toBe(3);
    for (const index of [2, 0, 1]) answer(index, { data: Uint8Array.of(index) });
    expect((await answers).map(({ data }) => data[0])).toEqual([0, 1, 2]);
    // A second answer, and one that no call waits for, do nothing; neither does the time that has passed.
    answer(0, {});
    await clock.advance(60_000);
  });

  test('end when no answer comes in time, each after its own', async () => {
    const { inbox, clock } = fixture();
    const codes: string[] = [];
    const note = (name: string) => (failure: NatsFailure) => void codes.push(`${name} ${failure.code}`);
    const ended = Promise.all([
      inbox.request('a', '', { timeoutMs: 500 }).catch(note('a')),
      inbox.request('b').catch(note('b')),
    ]);
    await clock.advance(500);
    expect(codes).toEqual(['a TIMEOUT']);
    await clock.advance(500);
    await ended;
    expect(codes).toEqual(['a TIMEOUT', 'b TIMEOUT']);
  });

  test('fail at once where nothing hears them, and not for a status that another answers with', async () => {
    const { inbox, answer } = fixture();
    const unheard = inbox.request('a');
    answer(0, { headers: statusOf(503), data: new Uint8Array() });
    await expect(unheard).rejects.toMatchObject({ code: 'NO_RESPONDERS' });
    const other = inbox.request('b');
    answer(1, { headers: statusOf(404), data: new Uint8Array() });
    expect((await other).headers?.code).toBe(404);
  });

  test('fail when the server refuses their subject, and those to other subjects continue', async () => {
    const { inbox, answer } = fixture();
    const refused = [inbox.request('a'), inbox.request('a')];
    const other = inbox.request('b');
    inbox.denied({ operation: 'subscription', subject: 'a' });
    inbox.denied(denial);
    for (const one of refused) {
      await expect(one).rejects.toMatchObject({ code: 'PERMISSIONS_VIOLATION', denial });
    }
    answer(2, {});
    expect((await other).subject).toMatch(/^_INBOX/);
  });

  test('all fail when the server refuses the inbox, and the next one asks for it again', async () => {
    const { inbox, heard, answer } = fixture();
    const refused = [inbox.request('a'), inbox.request('b')];
    const failure = new NatsFailure('PERMISSIONS_VIOLATION', 'no');
    heard[0]!.callback(failure, {} as NatsMessage);
    for (const one of refused) await expect(one).rejects.toBe(failure);
    const next = inbox.request('c');
    expect(heard.map(({ subject }) => subject)).toEqual(['_INBOX.1.*', '_INBOX.2.*']);
    answer(2, {});
    await next;
  });

  test('reject when the client does not send, and nothing waits then', async () => {
    const { inbox, refuse, clock, sent } = fixture();
    const failure = new NatsFailure('CONNECTION_CLOSED', 'closed');
    refuse(failure);
    await expect(inbox.request('a')).rejects.toBe(failure);
    refuse(undefined);
    await clock.advance(10_000);
    expect(sent).toEqual([]);
  });

  test('end with the connection, twice if need be', async () => {
    const { inbox, heard } = fixture();
    const waiting = inbox.request('a');
    inbox.close('gone', new Error('why'));
    inbox.close('gone');
    await expect(waiting).rejects.toMatchObject({ code: 'CONNECTION_CLOSED', cause: { message: 'why' } });
    expect(heard[0]!.isOpen).toBe(false);
  });
});
