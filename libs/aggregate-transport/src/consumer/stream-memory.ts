import { isSabotaged, reached } from '#sabotage';
import { describeError } from '../errors.js';
import type { Log } from '../log.js';
import type { ConsumerPort, StreamState } from '../message/ports.js';

/** What the last owner of a partition left in its lease. */
export interface Inheritance {
  /** Every event up to here is settled. */
  readonly floor: number;
  /** When the stream was made; empty if nobody knows. */
  readonly streamCreated: string;
  /** It did not let the partition go in peace. */
  readonly crashed: boolean;
  /** Which consumer is the partition's; see {@link LeaseRecord.generation}. */
  readonly generation: number;
  /** Consumers it had before. */
  readonly retired: readonly number[];
  /** This very epoch has named the consumer, so nobody can have sent anything to one of that name. */
  readonly mayCreate: boolean;
  /** A change of layout has made the partition, and nobody has owned it yet. */
  readonly isFirst?: boolean;
}

export type StreamJudgement =
  /** What is remembered still holds. */
  | 'same'
  /** There is no consumer: what was settled above the floor is no longer known to the server. */
  | 'consumer gone'
  /** The stream was deleted and made anew: its sequences mean other events. */
  | 'remade'
  /** The stream was restored to an earlier state: sequences that were handled will be given to other events. */
  | 'regressed';

/** Whether what is remembered of a stream still holds; `highest` is the highest sequence known to exist. Pure. */
export function judgeStream(streamCreated: string, highest: number, stream: StreamState): StreamJudgement {
  if (streamCreated !== '' && streamCreated !== stream.created) return 'remade';
  return stream.lastSequence < highest && !isSabotaged('regression-unnoticed') ? 'regressed' : 'same';
}

/**
 * What a partition remembers of its stream from one takeover to the next. It lives in the lease too, so
 * that it survives its owner.
 */
export class StreamMemory {
  floor = 0;
  streamCreated = '';
  /**
   * Sequences of the topic's stream that it dropped (retention limits, a purge) before they were delivered to this
   * group. With several partitions an upper bound: some may have been other partitions' events.
   */
  lost = 0;
  #lostThrough = 0;
  #generation = 0;
  #mayCreate = false;
  #isFirst = false;
  /** Still to be removed. */
  #retired: readonly number[] = [];
  /** The highest sequence this process has seen; survives its leases, which a restored server takes back too. */
  #highest = 0;

  constructor(
    private readonly name: string,
    private readonly port: ConsumerPort,
    private readonly log: Log,
  ) {}

  inherit({ floor, streamCreated, generation, retired, mayCreate, isFirst = false }: Inheritance): void {
    const isKnown = streamCreated === this.streamCreated;
    // What was seen of another stream says nothing of this one.
    if (!isKnown && this.streamCreated !== '') this.#highest = 0;
    this.floor = isKnown ? Math.max(floor, this.floor) : floor;
    this.streamCreated = streamCreated;
    this.#generation = generation;
    this.#mayCreate = mayCreate;
    this.#isFirst = isFirst;
    this.#retired = retired;
    this.port.use(generation);
  }

  settledThrough(floor: number): void {
    this.floor = Math.max(this.floor, floor);
    this.saw(floor);
  }

  saw(sequence: number): void {
    this.#highest = Math.max(this.#highest, sequence);
  }

  /**
   * Looks whether the stream and the consumer are still those that are remembered. Makes the consumer if this epoch
   * has named it, behind the floor: at the start it would repeat everything.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async inspect(highestHere: number): Promise<StreamJudgement> {
    const stream = await this.port.stream();
    this.saw(Math.max(highestHere, this.floor));
    const judgement = judgeStream(this.streamCreated, this.#highest, stream);
    if (judgement === 'regressed') return judgement;
    if (judgement === 'remade') {
      this.floor = 0;
      this.#highest = 0;
      this.#lostThrough = 0;
    }
    this.streamCreated = stream.created;
    const consumer = await this.port.find();
    const isStranger = judgement === 'remade' && this.#generation === 0;
    if (consumer === undefined || isStranger || isSabotaged('takeover-by-new-consumer')) {
      if (!this.#mayCreate) return 'consumer gone';
      // Once and never again: a request whose answer was lost may make it at any time.
      this.#mayCreate = false;
      if (judgement === 'remade') {
        this.log.error(
          `${this.name}: the stream was deleted and made anew at ${stream.created}; it is handled from its first event`,
        );
      } else if (this.#isFirst) {
        this.log.info(`${this.name}: its consumer is made, behind sequence ${this.floor}`);
      } else {
        this.log.error(
          `${this.name}: the consumer is gone; another is made behind sequence ${this.floor}, the last one known to be settled`,
        );
      }
      await this.port.create(this.floor + 1);
      if (this.#isFirst) reached('repartition: consumer made');
    } else this.noteDropped(consumer.delivered, stream.firstSequence);
    this.#mayCreate = false;
    this.#removeRetired();
    return judgement;
  }

  /**
   * What was delivered last and where the stream begins now. If events in between are gone, they are counted and
   * reported, each once.
   */
  noteDropped(delivered: number, firstSequence: number): void {
    const from = Math.max(delivered, this.#lostThrough);
    if (delivered === 0 || from + 1 >= firstSequence) return;
    this.lost += firstSequence - 1 - from;
    this.#lostThrough = firstSequence - 1;
    this.log.error(
      `${this.name}: the stream has dropped events up to sequence ${firstSequence - 1}; those behind ` +
        `${from} were never delivered (retention limits, or a purge)`,
    );
  }

  /** Leftovers keep nothing but a place on the server, so nobody waits for their end, and a later owner tries again. */
  #removeRetired(): void {
    const retired = this.#retired;
    this.#retired = [];
    for (const generation of retired) {
      this.port.remove(generation).catch((error: unknown) => {
        this.log.warn(
          `${this.name}: a consumer that is not used any more could not be removed: ${describeError(error)}`,
        );
      });
    }
  }
}
