import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FlushWaiters } from '#library/publisher/flush-waiters.js';
import { QueuedEvent, PublishQueue } from '#library/publisher/publish-queue.js';
import { ReadyQueues } from '#library/publisher/ready-queues.js';
import { eventOf } from './fake-publish-port.js';

function entry(id: number): QueuedEvent {
  return new QueuedEvent(id, eventOf('a', id), new PublishQueue('a'), {
    resolve: () => undefined,
    reject: () => undefined,
  });
}

describe('PublishQueue', () => {
  test('is first in, first out, and passes over what was called off', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('append', 'shift', 'call off', 'take')), (actions) => {
        const line = new PublishQueue('a');
        let model: QueuedEvent[] = [];
        let id = 0;
        for (const action of actions) {
          if (action === 'append') {
            const added = entry(++id);
            line.append(added);
            model.push(added);
          } else if (action === 'shift') {
            line.shift();
            model = model.slice(1);
            while (model[0]?.settled === true) model = model.slice(1);
          } else if (action === 'call off') {
            const last = model.at(-1);
            if (last !== undefined && last !== model[0]) last.settled = true;
          } else {
            expect(line.takeFollowers()).toEqual(model.slice(1).filter(({ settled }) => !settled));
            model = model.slice(0, 1);
          }
          expect(line.head).toBe(model[0]);
        }
      }),
    );
  });
});

describe('ReadyQueues', () => {
  test('gives lines in the order they came, each once, however many', () => {
    const ready = new ReadyQueues();
    const lines = Array.from({ length: 10_000 }, (_, n) => new PublishQueue(String(n)));
    for (const line of lines) {
      ready.add(line);
      ready.add(line);
    }
    for (const line of lines.slice(0, 5_000)) expect(ready.take()).toBe(line);
    ready.add(lines[0]!);
    for (const line of lines.slice(5_000)) expect(ready.take()).toBe(line);
    expect(ready.take()).toBe(lines[0]);
    expect(ready.take()).toBeUndefined();
  });
});

describe('FlushWaiters', () => {
  test('wakes each caller when all up to its id are settled, in any order', async () => {
    const waiters = new FlushWaiters();
    const woken: string[] = [];
    void waiters.wait(2, 2).then(() => woken.push('first'));
    void waiters.wait(3, 3).then(() => woken.push('second'));
    waiters.settled(4);
    waiters.settled(2);
    waiters.settled(1);
    await Promise.resolve();
    expect(woken).toEqual(['first']);
    waiters.settled(3);
    await Promise.resolve();
    expect(woken).toEqual(['first', 'second']);
    await waiters.wait(9, 0);
  });
});
