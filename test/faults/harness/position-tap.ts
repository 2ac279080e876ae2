import type { Msg, NatsConnection } from 'nats';
import { HeardAnswers } from '../../support/heard-answers.js';
import type { Journal } from './journal.js';

// The format of a position and of its key is written out a second time. A judge does not ask the judged what is on the
// wire.

/** One write of a partition's position, as it passed by on its way to the server. */
export interface SentPosition {
  readonly what: 'position.sent';
  /** Pairs it with its answer. */
  readonly id: number;
  readonly layout: number;
  readonly partitions: number;
  readonly partition: number;
  /** The revision it replaces; -1 if it names none. */
  readonly expected: number;
  readonly epoch: number;
  readonly owner: string;
  /** Counts the writes of an epoch; 1 is the claim. */
  readonly write: number;
  readonly created: string;
  readonly high: number;
  /** As it travels: steps in base 36, equal steps as `step*count`. */
  readonly unsettled: string;
  readonly window: number;
  readonly deaths: number;
  readonly rest: boolean;
  /** Sequences that are settled because partitions of the layout before had settled them. */
  readonly hasOrigin: boolean;
  readonly drained: boolean;
}

export type PositionLine =
  | SentPosition
  | { readonly what: 'position.stored'; readonly id: number; readonly revision: number }
  | { readonly what: 'position.refused'; readonly id: number };

interface PositionBody extends Omit<SentPosition, 'what' | 'id' | 'rest' | 'hasOrigin' | 'drained'> {
  readonly rest?: true;
  readonly origin?: object;
  readonly drained?: object;
}

const EXPECTED_HEADER = 'Nats-Expected-Last-Subject-Sequence';
const KEY_TOKENS = 6;

/**
 * Hears every position that owners of one group write, and what the server answers. A stream that sources the positions
 * is no substitute. With one message per subject it misses what is overwritten before it is copied. At full speed that
 * was 15 % of 8 000 writes, and none at one write per 5 ms.
 */
export class PositionTap {
  readonly #answers = new HeardAnswers();
  #count = 0;

  constructor(
    nats: NatsConnection,
    topic: string,
    group: string,
    private readonly journal: Pick<Journal<PositionLine>, 'write'>,
  ) {
    nats.subscribe(`$KV.${topic}_positions.${group}.*.*.*`, {
      callback: (_error, message) => this.written(message),
    });
    // Inboxes of three tokens only: an ear on those of pulls, which have two, keeps the pulls of dead processes alive.
    nats.subscribe('_INBOX.*.*', { callback: (_error, message) => this.#answers.answered(message) });
  }

  /** Positions heard so far. */
  get writes(): number {
    return this.#count;
  }

  /** The connection was away: what passed by meanwhile is unknown. */
  interrupted(): void {
    this.#answers.interrupted();
  }

  /** A write was heard. */
  written(message: Msg): void {
    const sent = readPosition(message);
    if (sent === undefined) return;
    const id = ++this.#count;
    this.journal.write({ what: 'position.sent', id, ...sent });
    this.#answers.asked(message, (answer) => {
      const { seq: revision, error } = answer.json<{ seq?: number; error?: object }>();
      if (error === undefined && revision !== undefined)
        this.journal.write({ what: 'position.stored', id, revision });
      else this.journal.write({ what: 'position.refused', id });
    });
  }
}

/** Undefined if the message is no position, such as the marker of a deleted key. */
function readPosition({ subject, headers, data }: Msg): Omit<SentPosition, 'what' | 'id'> | undefined {
  const tokens = subject.split('.');
  if (tokens.length !== KEY_TOKENS || data.length === 0) return undefined;
  const [layout = 0, partitions = 0, partition = 0] = tokens.slice(3).map(Number);
  const { epoch, owner, write, created, high, unsettled, window, deaths, ...rest } = JSON.parse(
    Buffer.from(data).toString('utf8'),
  ) as PositionBody;
  return {
    ...{ layout, partitions, partition, epoch, owner, write, created, high, unsettled, window, deaths },
    expected: Number(headers?.get(EXPECTED_HEADER) || '-1'),
    rest: rest.rest === true,
    hasOrigin: rest.origin !== undefined,
    drained: rest.drained !== undefined,
  };
}

const BASE = 36;

/** The sequences of a position's list of unsettled events. Pure. */
export function decodeUnsettled(text: string): number[] {
  const sequences: number[] = [];
  let sequence = 0;
  for (const part of text.split(' ').filter((one) => one !== '')) {
    const [step = '', count = '1'] = part.split('*');
    for (let left = Number.parseInt(count, BASE); left > 0; left--) {
      sequence += Number.parseInt(step, BASE);
      sequences.push(sequence);
    }
  }
  return sequences;
}
