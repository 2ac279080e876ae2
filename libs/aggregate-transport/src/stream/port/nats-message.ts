/** Headers of a message that came. */
export interface MessageHeaders extends Iterable<[string, string[]]> {
  /** The status; 0 if there is none. */
  readonly code: number;
  readonly description: string;
  /** The first value; '' if there is none. */
  get(name: string): string;
}

/** A message that came. Its parts are decoded when they are asked for. */
export interface NatsMessage {
  readonly subject: string;
  readonly reply?: string | undefined;
  readonly data: Uint8Array;
  readonly headers?: MessageHeaders | undefined;
  /** The body as UTF-8. */
  string(): string;
  /** @throws if the body is no JSON */
  json(): unknown;
}
