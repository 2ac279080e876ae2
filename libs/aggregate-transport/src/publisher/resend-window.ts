/** How long an event is tried, in milliseconds from its first send. */
export interface ResendWindow {
  /** After this no copy may leave: the stream may have forgotten the id by the time it arrives. */
  readonly copiesUntilMs: number;
  /** After this its caller hears OUTCOME_UNKNOWN. */
  readonly giveUpAfterMs: number;
  /** What the caller is told then. */
  readonly reason: string;
}

/** Copies stop this long before the stream forgets the id: a copy stored after that would be a second event. */
const WINDOW_MARGIN_MS = 10_000;
/** Of a short window this share is left for copies; else a healthy publisher would have no time at all. */
const LEAST_SHARE = 0.5;

export function resendWindowOf(giveUpAfterMs: number, duplicateWindowMs: number): ResendWindow {
  const copiesUntilMs = Math.max(duplicateWindowMs - WINDOW_MARGIN_MS, duplicateWindowMs * LEAST_SHARE);
  return giveUpAfterMs <= copiesUntilMs
    ? { copiesUntilMs, giveUpAfterMs, reason: `no answer for ${giveUpAfterMs} ms (publish.giveUpAfterMs)` }
    : {
        copiesUntilMs,
        giveUpAfterMs: copiesUntilMs,
        reason: `no answer for ${copiesUntilMs} ms, all that the stream's duplicate window of ${duplicateWindowMs} ms leaves`,
      };
}

/** True if no copy of an event first sent at `firstSentAt` may leave any more. */
export function copiesEnded({ copiesUntilMs }: ResendWindow, firstSentAt: number, now: number): boolean {
  return now - firstSentAt >= copiesUntilMs;
}
