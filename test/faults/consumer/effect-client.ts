import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { EffectAnswer, EffectRequest } from './effect-store.js';
import type { Handling } from '../harness/journal.js';

/** A worker's connection to the effect store. */
export class EffectClient {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (accepted: boolean) => void>();
  #lastId = 0;

  constructor(
    path: string,
    private readonly worker: string,
  ) {
    this.#socket = connect(path);
    createInterface({ input: this.#socket }).on('line', (line) => {
      const { id, accepted } = JSON.parse(line) as EffectAnswer;
      this.#waiting.get(id)?.(accepted);
      this.#waiting.delete(id);
    });
  }

  /** Resolves with false if the store refuses the writer as out of date. */
  apply(handling: Handling): Promise<boolean> {
    const id = ++this.#lastId;
    const request: EffectRequest = { ...handling, id, worker: this.worker };
    this.#socket.write(`${JSON.stringify(request)}\n`);
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  close(): void {
    this.#socket.destroy();
  }
}
