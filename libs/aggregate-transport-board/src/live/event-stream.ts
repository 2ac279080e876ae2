import type { ServerResponse } from 'node:http';
import type { Viewer } from './live-view.js';

/**
 * Server-sent events to one browser. A slow reader gets the newest of each kind once it has taken what was sent. At
 * most one text of each kind waits here.
 */
export class EventStream implements Viewer {
  readonly #waiting = new Map<string, string>();

  constructor(private readonly response: ServerResponse) {
    response.on('drain', () => this.#sendWaiting());
  }

  readonly tell = (event: string, data: string): void => {
    if (this.response.writableNeedDrain) this.#waiting.set(event, data);
    else this.#send(event, data);
  };

  /** Says nothing, so that proxies and browsers see that the connection lives. */
  beat(): void {
    if (!this.response.writableNeedDrain) this.response.write(': beat\n\n');
  }

  #sendWaiting(): void {
    for (const [event, data] of this.#waiting) {
      if (this.response.writableNeedDrain) return;
      this.#waiting.delete(event);
      this.#send(event, data);
    }
  }

  /** JSON has no line breaks of its own, so one line holds it. */
  #send(event: string, data: string): void {
    this.response.write(`event: ${event}\ndata: ${data}\n\n`);
  }
}
