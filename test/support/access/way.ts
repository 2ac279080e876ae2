import type { AggregateTransportOptions, NatsClientName } from 'nestjs-aggregate-transport';

/** What a user writes down to get in. */
export type Access = Pick<AggregateTransportOptions, 'client' | 'servers' | 'connection' | 'jetstream'>;

/** One way to a server, as a test tries it. */
export interface Way {
  /** As the first column of the table in docs/security.md. */
  readonly name: string;
  readonly open: () => Promise<OpenWay>;
  /** False if its user may not hear what operators ask. @default true */
  readonly isAsked?: false;
}

type AccessOf = (client: NatsClientName) => Access;

/** A way whose server runs. */
export interface OpenWay {
  readonly right: AccessOf;
  /** As `right`, but written down once; by default `right` itself is. */
  readonly fixed?: AccessOf;
  /** As `right`, but each attempt reads what is valid by then; undefined if there is no such form. */
  readonly renewing?: AccessOf;
  readonly wrong: AccessOf;
  /**
   * From now on the server takes other credentials, and all connections are cut. Undefined if nothing can be replaced.
   */
  readonly rotate?: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Closes everything, the last first. */
export function closing(...parts: readonly (() => Promise<unknown>)[]): () => Promise<void> {
  return async () => {
    for (const part of parts.toReversed()) await part();
  };
}
