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
}

export type StreamJudgement =
  /** What is remembered still holds. */
  | 'same'
  /** The consumer was gone and is new: what was settled above the floor is no longer known to the server. */
  | 'consumer remade'
  /** The stream was deleted and made anew: its sequences mean other events. */
  | 'remade'
  /** The stream was restored to an earlier state: sequences that were handled will be given to other events. */
  | 'regressed';

/** Whether what is remembered of a stream still holds; `highest` is the highest sequence known to exist. Pure. */
export function judgeStream(streamCreated: string, highest: number, stream: StreamState): StreamJudgement {
  if (streamCreated !== '' && streamCreated !== stream.created) return 'remade';
  return stream.lastSequence < highest ? 'regressed' : 'same';
}

/**
 * What a partition remembers of its stream from one takeover to the next. It lives in the lease too, so
 * that it survives its owner.
 */
export class StreamMemory {
  floor = 0;
  streamCreated = '';
  /** The highest sequence this process has seen; survives its leases, which a restored server takes back too. */
  #highest = 0;

  constructor(
    private readonly name: string,
    private readonly port: ConsumerPort,
    private readonly log: Log,
  ) {}

  inherit({ floor, streamCreated }: Inheritance): void {
    // What was seen of another stream says nothing of this one.
    if (streamCreated !== this.streamCreated && this.streamCreated !== '') this.#highest = 0;
    this.floor = floor;
    this.streamCreated = streamCreated;
  }

  settledThrough(floor: number): void {
    this.floor = Math.max(this.floor, floor);
    this.saw(floor);
  }

  saw(sequence: number): void {
    this.#highest = Math.max(this.#highest, sequence);
  }

  /**
   * Looks whether the stream and the consumer are still those that are remembered, and makes a consumer that
   * vanished anew behind the floor: at the start it would repeat everything.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async inspect(highestHere: number): Promise<StreamJudgement> {
    const stream = await this.port.stream();
    this.saw(Math.max(highestHere, this.floor));
    const judgement = judgeStream(this.streamCreated, this.#highest, stream);
    if (judgement === 'regressed') return judgement;
    if (judgement === 'remade') {
      this.log.error(
        `${this.name}: the stream was deleted and made anew at ${stream.created}; it is handled from its first event`,
      );
      this.floor = 0;
      this.#highest = 0;
    }
    this.streamCreated = stream.created;
    const consumer = await this.port.find();
    if (consumer === undefined) {
      this.log.error(
        `${this.name}: the consumer is gone and is made anew behind sequence ${this.floor}, the last one known to be settled`,
      );
      await this.port.create(this.floor + 1);
      return judgement === 'same' ? 'consumer remade' : judgement;
    } else if (consumer.delivered > 0 && consumer.delivered + 1 < stream.firstSequence) {
      this.log.error(
        `${this.name}: the stream has dropped events up to sequence ${stream.firstSequence - 1}; those behind ` +
          `${consumer.delivered} were never delivered (retention limits, or a purge)`,
      );
    }
    return judgement;
  }
}
