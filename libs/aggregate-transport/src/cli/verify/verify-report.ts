import { JUDGED, type JudgedPromise } from '../../judging/finding.js';
import type { SizeBound } from '../../verifying/settings.js';
import type { Verdict } from '../../verifying/verdict.js';
import { LEASE_BUCKET, MARKER_BUCKET, streamOfBucket } from '../../stream/keys/key-places.js';
import { streamsOf } from './own-streams.js';

const MIB = 1_048_576;

/** What a run will make, before it makes it. */
export function announcementOf(topic: string, bound: SizeBound, copies: number): string[] {
  const { topicBytes, parkedBytes, positionsBytes } = bound;
  const bytes = topicBytes + parkedBytes + positionsBytes;
  const buckets = [LEASE_BUCKET, MARKER_BUCKET].map(streamOfBucket).join(', ');
  return [
    `makes the streams ${streamsOf(topic).join(', ')}: ${Math.ceil(bytes / MIB)} MiB at most, ` +
      `${copies === 1 ? '1 copy' : `${copies} copies`} each`,
    `writes keys of its topic in ${buckets}, and makes these if they are missing`,
    'changes nothing else on the server, and removes all of it at the end',
  ];
}

/** A verdict as people read it. */
export function linesOf(verdict: Verdict): string[] {
  const { events, faults, failoverMs } = verdict;
  const kinds = Object.entries(faults).map(([kind, count]) => `${count} ${kind}`);
  const total = Object.values(faults).reduce((sum, count) => sum + count, 0);
  return [
    '',
    `events      ${events.stored} stored of ${events.published} published, ${events.handled} handled, ` +
      `${verdict.aggregates} aggregates, ${verdict.eventsPerSecond} a second`,
    ...(events.refused + events.unknown === 0
      ? []
      : [`            ${events.refused} refused, ${events.unknown} with an unknown outcome`]),
    `faults      ${total}: ${kinds.join(', ')}`,
    ...(verdict.skipped.length === 0
      ? []
      : [`            skipped, because this platform cannot do it: ${verdict.skipped.join(', ')}`]),
    `failovers   ${verdict.failovers}` +
      (failoverMs.count === 0
        ? ''
        : `; after a kill ${failoverMs.median} ms, at worst ${failoverMs.worst} ms`),
    `repeats     ${verdict.repeats} events handled again by a new owner; ${verdict.staleOverlaps} handlers of lost owners, ` +
      `${verdict.refusedEffects} effects that the fencing token refuses`,
    `parked      ${verdict.parked}, replayed ${verdict.replayed}, ${verdict.retriedTooEarly} retried too early; ` +
      `${verdict.failedAttempts} failed attempts`,
    `worst gap   ${verdict.worstGapMs} ms in which a partition handled nothing`,
    ...verdict.handlerErrors.map(({ error, count }) => `handlers    ${count} × ${error}`),
    ...findingsOf(verdict),
    '',
    sentenceOf(verdict),
  ];
}

function findingsOf({ findings, broken }: Verdict): string[] {
  return Object.entries(broken).flatMap(([promise, count]) => {
    const shown = findings.filter((finding) => finding.promise === promise);
    return [
      '',
      `BROKEN ${promise} (${count} times): ${JUDGED[promise as JudgedPromise]}`,
      ...shown.flatMap(({ text, around }) => [`  ${text}`, ...around.map((line) => `    ${line}`)]),
    ];
  });
}

function sentenceOf({ verdict, lacks, seed, broken }: Verdict): string {
  if (verdict === 'green') return `GREEN: order held, and nothing was lost (seed ${seed})`;
  if (verdict === 'red') return `RED: ${Object.keys(broken).join(', ')} (seed ${seed})`;
  return `UNPROVEN: nothing was broken, but ${lacks.join('; ')} (seed ${seed})`;
}
