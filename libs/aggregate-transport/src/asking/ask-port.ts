/** Ends what was begun. Safe to call twice. */
export interface Ending {
  readonly end: () => void;
}

/** What is heard of a question that was sent. */
export interface AskListener {
  /** The bytes of an answer, unchecked. */
  readonly answered: (body: Uint8Array) => void;
  /** No process hears questions of this group. */
  readonly unheard: () => void;
}

/** What is heard of questions to this process. */
export interface QuestionListener {
  /** `reply` sends the answer, at most once; undefined if the asker waits for none. Neither may throw. */
  readonly asked: (body: Uint8Array, reply: ((body: string) => void) | undefined) => void;
  /** The server refuses the subscription: no question will come. */
  readonly refused: (why: string) => void;
}

/** The way of questions to the running processes of a group, and of their answers. */
export interface AskPort {
  /** The largest answer in bytes that may be sent now. */
  readonly maxBytes: () => number;
  /** Sends a question to all processes, and hears answers until it is ended. Never throws: not sent means unheard. */
  readonly ask: (body: string, listener: AskListener) => Ending;
  /** Hears questions until it is ended; over reconnects. */
  readonly hear: (listener: QuestionListener) => Ending;
}
