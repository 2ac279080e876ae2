import { describeError } from '../../errors.js';
import type { Connection } from '../connection/connection.js';
import type { Denial } from '../port/nats-failure.js';
import type { NatsSubscription } from '../port/nats-port.js';

/** See `AskPort` of what the processes of a group are asked. */
interface Heard {
  readonly answered: (body: Uint8Array) => void;
  readonly unheard: () => void;
}

interface Asked {
  readonly asked: (body: Uint8Array, reply: ((body: string) => void) | undefined) => void;
  readonly refused: (why: string) => void;
}

interface Ending {
  readonly end: () => void;
}

/** The status of a question that nothing hears. */
const NO_RESPONDERS = 503;
/** Answers are short also where a server takes large messages: an asker holds those of all processes. */
const MAX_ANSWER_BYTES = 64 * 1_024;
/** Of the largest message, for its headers and the server's own. */
const HEADER_ROOM_BYTES = 1_024;

/** The subject that the processes of a group are asked on. */
function askSubject(topic: string, group: string): string {
  return `aggregate-transport.${topic}.${group}.ask`;
}

/** The way of questions and answers over NATS, without JetStream. */
export class AskWire {
  readonly #subject: string;

  constructor(
    private readonly connection: Connection,
    private readonly topic: string,
    group: string,
  ) {
    this.#subject = askSubject(topic, group);
  }

  maxBytes(): number {
    return Math.min(MAX_ANSWER_BYTES, this.connection.maxPayloadBytes - HEADER_ROOM_BYTES);
  }

  ask(body: string, listener: Heard): Ending {
    const { nats } = this.connection;
    let subscription: NatsSubscription | undefined;
    const denied = {
      publishDenied: (subject: string): void => {
        if (subject === this.#subject) listener.unheard();
      },
      lossWithout: ({ subject }: Denial): string | undefined =>
        subject === this.#subject ? this.#lossOf(`allow it to publish to "${this.#filter}"`) : undefined,
    };
    this.connection.listen(denied);
    try {
      const inbox = nats.createInbox();
      subscription = nats.subscribe(inbox, {
        callback: (failure, message) => {
          if (failure !== null) listener.unheard();
          else if (message.headers?.code === NO_RESPONDERS && message.data.length === 0) listener.unheard();
          else listener.answered(message.data);
        },
      });
      nats.publish(this.#subject, body, { reply: inbox });
    } catch {
      // The connection is closed: nothing hears the question.
      listener.unheard();
    }
    return {
      end: () => {
        this.connection.forget(denied);
        subscription?.unsubscribe();
      },
    };
  }

  hear(listener: Asked): Ending {
    const { connection } = this;
    const replies = new RecentReplies();
    let isRefused = false;
    const refuse = (why: string): void => {
      isRefused = true;
      listener.refused(why);
    };
    const denied = {
      publishDenied: (subject: string): void => {
        if (replies.has(subject)) refuse(`the user may not publish to "${subject}"`);
      },
      lossWithout: ({ operation, subject }: Denial): string | undefined => {
        if (operation === 'publish')
          return replies.has(subject) ? this.#lossOf('allow it to answer: allow_responses: true') : undefined;
        const line = `allow it to subscribe to "${this.#filter}", with allow_responses: true`;
        return subject === this.#subject ? this.#lossOf(line) : undefined;
      },
    };
    try {
      const subscription = connection.nats.subscribe(this.#subject, {
        callback: (failure, message) => {
          if (failure !== null) refuse(describeError(failure));
          else listener.asked(message.data, this.#replyTo(message.reply, replies));
        },
      });
      connection.listen(denied);
      return {
        end: () => {
          // The connection tells of a refusal later than the subscription does, and of other answers still.
          if (!isRefused) connection.forget(denied);
          subscription.unsubscribe();
        },
      };
    } catch (error) {
      listener.refused(describeError(error));
      return { end: () => undefined };
    }
  }

  /** Of all groups of the topic, as docs/security.md grants it. */
  get #filter(): string {
    return askSubject(this.topic, '*');
  }

  #lossOf(line: string): string {
    return (
      'events are handled without it, but operators are not told what runs in this process (group ask, boards); ' +
      `to change that, ${line}, and start again`
    );
  }

  #replyTo(reply: string | undefined, replies: RecentReplies): ((body: string) => void) | undefined {
    if (reply === undefined || reply === '') return undefined;
    return (body) => {
      replies.note(reply);
      this.connection.publish(reply, body);
    };
  }
}

/** So many answers are sent while the server's word about one is on its way, at most. */
const MAX_REPLIES = 64;

/** Where the last answers went: a server that refuses one names its subject. */
class RecentReplies {
  readonly #subjects = new Set<string>();

  has(subject: string): boolean {
    return this.#subjects.has(subject);
  }

  note(subject: string): void {
    this.#subjects.add(subject);
    const [oldest] = this.#subjects;
    if (this.#subjects.size > MAX_REPLIES && oldest !== undefined) this.#subjects.delete(oldest);
  }
}
