import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { expect, test } from '@jest/globals';
import { EventStream } from '#board/live/event-stream.js';

/** A browser that takes nothing until it drains. */
class SlowResponse extends EventEmitter {
  writableNeedDrain = false;
  readonly written: string[] = [];
  write(text: string): void {
    this.written.push(text);
    this.writableNeedDrain = true;
  }
  drain(): void {
    this.writableNeedDrain = false;
    this.emit('drain');
  }
}

test('a slow reader gets the newest of each kind, and nothing piles up for it', () => {
  const response = new SlowResponse();
  const stream = new EventStream(response as unknown as ServerResponse);
  for (let n = 1; n <= 1_000; n++) stream.tell('view', String(n));
  stream.tell('commands', '[]');
  stream.beat();
  expect(response.written).toEqual(['event: view\ndata: 1\n\n']);
  response.drain();
  response.drain();
  response.drain();
  expect(response.written).toEqual([
    'event: view\ndata: 1\n\n',
    'event: view\ndata: 1000\n\n',
    'event: commands\ndata: []\n\n',
  ]);
});
