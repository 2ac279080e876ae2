import { type CallOptionRules, checkCallOptions } from '../../message/outgoing/call-options.js';
import { checkOptions } from '../../transport/option-rules.js';

/** How one call publishes. */
export interface PublishCallOptions {
  /** Calls the event off as long as it is not sent; then the call rejects with ABORTED, and nothing is stored. */
  signal?: AbortSignal;
}

/** Which part of an aggregate's history is read. */
export interface ReadOptions {
  /** The first stream sequence of interest. @default 1 */
  fromSequence?: number;
}

const PUBLISH_RULES: CallOptionRules = {
  signal: {
    expected: 'an AbortSignal',
    is: (value) => typeof (value as Partial<AbortSignal> | null)?.addEventListener === 'function',
  },
};

/** @throws EVENT_INVALID that names the option */
export function checkPublishOptions(options: PublishCallOptions): void {
  checkCallOptions('publish', options, PUBLISH_RULES);
}

/** @throws OPTIONS_INVALID that names the option */
export function checkReadOptions(options: ReadOptions): void {
  checkOptions('read', options, {
    fromSequence: (value) =>
      Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : 'a whole number from 0',
  });
}
