/** What a page says of an error: its code, and its text without a stack. */
export interface Failure {
  readonly code: string;
  readonly text: string;
}

/** Errors of the libraries carry a code, and say what to do. Pure. */
export function describeFailure(error: unknown): Failure {
  const { code, message } = (typeof error === 'object' && error !== null ? error : {}) as {
    readonly code?: unknown;
    readonly message?: unknown;
  };
  return {
    code: typeof code === 'string' ? code : 'unexpected',
    text: typeof message === 'string' && message !== '' ? message : 'an error without a text',
  };
}
