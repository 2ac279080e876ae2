import type { Clock } from '../clock.js';
import { HEADER, parseHeaders } from '../message/headers.js';
import type { OutgoingEvent } from '../message/prepare.js';
import type { StoredMessage } from '../message/stored-event.js';
import type { ServerAnswer } from '../publisher/server-answer.js';
import type { PublishListener, PublishPort } from '../publisher/publish-port.js';

export interface MemoryMessage extends StoredMessage {
  readonly subject: string;
}

/**
 * A topic's stream in memory: gives sequences, knows the ids of its duplicate window and the last sequence of
 * each subject, as a nats-server does. It keeps everything; there is no retention here.
 */
export class MemoryStream {
  readonly created: string;
  readonly messages: MemoryMessage[] = [];
  readonly #ids = new Map<string, { readonly sequence: number; readonly at: number }>();
  readonly #lastOf = new Map<string, number>();
  readonly #watchers = new Set<() => void>();

  constructor(
    private readonly clock: Clock,
    private readonly duplicateWindowMs: number,
  ) {
    this.created = new Date(clock.wallNow()).toISOString();
  }

  append({ subject, messageId, headers, body, expectedSequence }: OutgoingEvent): ServerAnswer {
    const now = this.clock.now();
    const known = this.#ids.get(messageId);
    if (known !== undefined && now - known.at < this.duplicateWindowMs) {
      return { kind: 'stored', sequence: known.sequence, duplicate: true };
    }
    const last = this.lastSequence(subject);
    if (expectedSequence !== undefined && expectedSequence !== last) {
      return {
        kind: 'refused',
        errorCode: 10071,
        description: `wrong last sequence: ${last}`,
        wrongSequence: true,
      };
    }
    const sequence = this.messages.length + 1;
    this.messages.push({
      sequence,
      subject,
      storedAt: new Date(this.clock.wallNow()).toISOString(),
      headers: parseHeaders(Buffer.from(headers).toString('utf8')),
      body,
    });
    this.#ids.set(messageId, { sequence, at: now });
    this.#lastOf.set(subject, sequence);
    for (const watcher of this.#watchers) watcher();
    return { kind: 'stored', sequence, duplicate: false };
  }

  lastSequence(subject: string): number {
    return this.#lastOf.get(subject) ?? 0;
  }

  next(fromSequence: number, matches: (subject: string) => boolean): MemoryMessage | undefined {
    for (let index = Math.max(0, fromSequence - 1); index < this.messages.length; index++) {
      const message = this.messages[index];
      if (message !== undefined && matches(message.subject)) return message;
    }
    return undefined;
  }

  /** Calls back whenever something was stored. */
  watch(callback: () => void): void {
    this.#watchers.add(callback);
  }

  async *messagesOf(subject: string, fromSequence: number): AsyncGenerator<StoredMessage, void> {
    for (let from = fromSequence; ;) {
      await Promise.resolve();
      const found = this.next(from, (other) => other === subject);
      if (found === undefined) return;
      yield found;
      from = found.sequence + 1;
    }
  }

  connectPublisher(listener: PublishListener): PublishPort {
    let isOpen = true;
    return {
      get connected() {
        return isOpen;
      },
      // An answer comes in a later turn, as over a network.
      send: (id, event) =>
        this.clock.nextTurn(() => {
          const answer = this.append(event);
          this.clock.nextTurn(() => isOpen && listener.answered(id, answer));
        }),
      // Never asked for: see batchObstacle.
      openBatch: () => undefined,
      storeBatch: () => undefined,
      lastSequence: (subject) => Promise.resolve(this.lastSequence(subject)),
      findStored: (subject, messageId, afterSequence) => {
        const from = afterSequence === undefined ? this.lastSequence(subject) : afterSequence + 1;
        const found = this.next(from, (other) => other === subject);
        const isOurs = found?.headers[HEADER.messageId] === messageId;
        return Promise.resolve(isOurs ? found.sequence : undefined);
      },
      close: () => {
        isOpen = false;
      },
    };
  }
}
