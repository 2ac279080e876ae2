/**
 * The rules of this library that order, loss or exactness depend on. A fault test switches one off and sees the checker
 * that the rule is for turn red. Named after what goes wrong.
 */
export type PostgresRule =
  /** Transactions that add events of one aggregate do not wait for each other. */
  | 'add-without-lock'
  /** Rows that become visible below the highest id that was read are not looked for. */
  | 'rows-below-unseen'
  /** What an earlier relay may have sent is not looked up in the stream. */
  | 'no-look-up'
  /** A row is marked when it is sent. */
  | 'marked-before-receipt'
  /** The inbox compares positions alone. */
  | 'inbox-without-token'
  /** The inbox compares tokens alone. */
  | 'inbox-without-position';

/** No rule is, in the library as it is published; see `imports` in package.json. */
export const isSabotaged: (rule: PostgresRule) => boolean = () => false;

/** A step at which a fault test may stop the process. */
export const reached: (step: string) => void = () => undefined;
