import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FlushWaiters } from '#library/publisher/flush-waiters.js';
import { QueuedEvent, PublishQueue } from '#library/publisher/publish-queue.js';
import { ReadyQueues } from '#library/publisher/ready-queues.js';
import { eventOf } from './fake-publish-port.js';

function queued(id: number): QueuedEvent {
  return new QueuedEvent(id, eventOf('a', id), new PublishQueue('a'), {
    resolve: () => undefined,
    reject: () => undefined,
  });
}

describe('PublishQueue', () => {
  test('is first in, first out, and skips aborted events', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('append', 'shift', 'abort', 'take')), (actions) => {
        const queue = new PublishQueue('a');
        let model: QueuedEvent[] = [];
        let id = 0;
        for (const action of actions) {
          if (action === 'append') {
            const added = queued(++id);
            queue.append(added);
            model.push(added);
          } else if (action === 'shift') {
            const gone = queue.head;
            queue.shift();
            // An old event that still knew the next one would keep all later ones in memory.
            expect(gone?.next).toBeUndefined();
            model = model.slice(1);
            while (model[0]?.hasOutcome === true) model = model.slice(1);
          } else if (action === 'abort') {
            const last = model.at(-1);
            if (last !== undefined && last !== model[0]) last.markOutcome();
          } else {
            expect(queue.takeFollowers()).toEqual(model.slice(1).filter(({ hasOutcome }) => !hasOutcome));
            model = model.slice(0, 1);
          }
          expect(queue.head).toBe(model[0]);
        }
      }),
    );
  });
});

describe('ReadyQueues', () => {
  test('returns queues in the order they were added, each once', () => {
    const ready = new ReadyQueues();
    const queues = Array.from({ length: 10_000 }, (_, n) => new PublishQueue(String(n)));
    for (const queue of queues) {
      ready.add(queue);
      ready.add(queue);
    }
    for (const queue of queues.slice(0, 5_000)) expect(ready.take()).toBe(queue);
    ready.add(queues[0]!);
    for (const queue of queues.slice(5_000)) expect(ready.take()).toBe(queue);
    expect(ready.take()).toBe(queues[0]);
    expect(ready.take()).toBeUndefined();
  });
});

describe('FlushWaiters', () => {
  test('resolves each flush when all events up to its id have an outcome, in any order', async () => {
    const waiters = new FlushWaiters();
    const woken: string[] = [];
    void waiters.wait(2, 2).then(() => woken.push('first'));
    void waiters.wait(3, 3).then(() => woken.push('second'));
    waiters.noteOutcome(4);
    waiters.noteOutcome(2);
    waiters.noteOutcome(1);
    await Promise.resolve();
    expect(woken).toEqual(['first']);
    waiters.noteOutcome(3);
    await Promise.resolve();
    expect(woken).toEqual(['first', 'second']);
    await waiters.wait(9, 0);
  });
});
