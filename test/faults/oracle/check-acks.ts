import type { Finding } from './finding.js';
import type { History, LogLine, Ms } from './history.js';

/** Clocks of two processes and the way through the server. */
export const SLACK_MS = 50;
/**
 * The server hands its confirmation to the worker and to the tap by different ways; the tap's copy was seen up to
 * 350 ms behind the ack that the worker's copy had released, on a machine with three times the load it can bear.
 */
const TAP_LATENESS_MS = 1_000;
/** A letter sent unseen is acked this soon. */
const TAP_AWAY_MS = 2_000;

/**
 * C5: an ack leaves behind its handler's end, or behind its letter, and behind its predecessor's confirmation, in a takeover, too.
 */
export function checkAcks(history: History): Finding[] {
  const findings: Finding[] = [];
  const nameOf = new Map(history.stored.map((event) => [event.seq, event]));
  const seqOf = new Map(history.stored.map(({ key, n, seq }) => [`${key} ${n}`, seq]));
  const doneAt = firstEnds(history);
  const filedAt = firsts(history.letters);
  const sentAt = firsts(history.acksSent);
  const confirmedAt = firsts(history.acksConfirmed);
  for (const [seq, at] of sentAt) {
    const event = nameOf.get(seq);
    if (event === undefined) continue;
    const { key, n } = event;
    const ended = doneAt.get(seq);
    const isHandled = ended !== undefined && ended <= at;
    if (!isHandled && !isFiled(history, filedAt.get(seq), at)) {
      findings.push({
        checker: 'C5',
        text: `${key}: the ack of ${n} left at ${at}, before its handler ended, and it was no letter`,
      });
    }
    const before = seqOf.get(`${key} ${n - 1}`);
    // Followers of a diverted head are acked as letters while it still runs: it is the first letter.
    if (before !== undefined && (filedAt.get(before) ?? Infinity) <= at + TAP_LATENESS_MS) continue;
    if (before === undefined || isUnseen(history, at, [doneAt.get(before), sentAt.get(before)])) continue;
    const confirmed = confirmedAt.get(before);
    if (confirmed === undefined || confirmed > at + TAP_LATENESS_MS) {
      findings.push({
        checker: 'C5',
        text: `${key}: the ack of ${n} left at ${at}, before that of ${n - 1} was confirmed`,
      });
    }
  }
  return findings;
}

/** What was filed while the tap was away it could not see. */
function isFiled({ tapGaps }: History, filedAt: Ms | undefined, at: Ms): boolean {
  if (filedAt !== undefined) return filedAt <= at + TAP_LATENESS_MS;
  return tapGaps.some((gap) => gap <= at && gap >= at - TAP_AWAY_MS);
}

/** While the tap was away its predecessor's ack may have passed. */
function isUnseen({ tapGaps }: History, at: Ms, [ended, sent]: readonly (Ms | undefined)[]): boolean {
  return tapGaps.some((gap) => gap <= at && gap >= Math.min(ended ?? at, sent ?? at));
}

/** When each event was handled; an end under a lease that was over, with another epoch begun, counts for nothing. */
function firstEnds({ attempts, logs }: Pick<History, 'attempts' | 'logs'>): Map<number, Ms> {
  const ends = new Map<number, Ms>();
  const epochs = epochsOf(logs);
  for (const { seq, ok, end, partition, epoch } of attempts) {
    const next = epochs.find((one) => one.partition === partition && one.epoch > epoch);
    if (ok === true && (next === undefined || end < next.from))
      ends.set(seq, Math.min(end, ends.get(seq) ?? end));
  }
  return ends;
}

/** When each epoch of each partition began, in that order. */
function epochsOf(logs: readonly LogLine[]): { partition: number; epoch: number; from: Ms }[] {
  return logs.flatMap(({ text, at }) => {
    const held = /partition (\d+): lease held, epoch (\d+)/.exec(text);
    return held === null ? [] : [{ partition: Number(held[1]), epoch: Number(held[2]), from: at }];
  });
}

export function firsts(acks: readonly { seq: number; at: Ms }[]): Map<number, Ms> {
  const found = new Map<number, Ms>();
  for (const { seq, at } of acks) if (!found.has(seq)) found.set(seq, at);
  return found;
}
