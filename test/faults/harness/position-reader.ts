import type { NatsConnection } from 'nats';
import { decodeUnsettled } from './position-tap.js';

const ANSWER_WITHIN_MS = 10_000;
const NOT_FOUND = 10037;

/** A message as the leader of its stream holds it. */
interface HeldMessage {
  readonly seq: number;
  readonly data?: string;
}

export interface HeldPosition {
  readonly revision: number;
  readonly epoch: number;
  readonly high: number;
  readonly unsettled: readonly number[];
  readonly run: number;
  /** As it is stored. */
  readonly text: string;
}

export interface HeldGroup {
  readonly layout: number;
  readonly partitions: number;
}

/** Reads the positions of a group past the library, from the stream's leader. */
export class PositionReader {
  readonly #stream: string;

  constructor(
    private readonly nats: NatsConnection,
    private readonly topic: string,
    private readonly group: string,
  ) {
    this.#stream = `${topic}_positions`;
  }

  /** The layout the group's record names; undefined if there is no record. */
  async layout(): Promise<HeldGroup | undefined> {
    const found = await this.#last(this.#stream, `$KV.${this.#stream}.group.${this.group}`);
    if (found === undefined) return undefined;
    const { layout = 0, partitions } = JSON.parse(textOf(found)) as Partial<HeldGroup>;
    return partitions === undefined ? undefined : { layout, partitions };
  }

  /** What the position of a partition says now; undefined if there is none. */
  async position(partition: number, layout?: HeldGroup): Promise<HeldPosition | undefined> {
    const group = layout ?? (await this.layout());
    if (group === undefined) return undefined;
    const found = await this.#last(this.#stream, this.subjectOf(partition, group));
    if (found?.data === undefined) return undefined;
    const text = textOf(found);
    const { epoch, high, unsettled, run } = JSON.parse(text) as {
      epoch: number;
      high: number;
      unsettled: string;
      run: number;
    };
    return { revision: found.seq, epoch, high, unsettled: decodeUnsettled(unsettled), run, text };
  }

  subjectOf(partition: number, { layout, partitions }: HeldGroup): string {
    return `$KV.${this.#stream}.${this.group}.${layout}.${partitions}.${partition}`;
  }

  /** True if every partition's position calls all its stored events settled; false while there is no answer. */
  async isSettled(): Promise<boolean> {
    try {
      const layout = await this.layout();
      if (layout === undefined) return false;
      const partitions = Array.from({ length: layout.partitions }, (_, partition) => partition);
      const settled = await Promise.all(partitions.map((partition) => this.#isSettled(partition, layout)));
      return settled.every(Boolean);
    } catch {
      return false;
    }
  }

  async #isSettled(partition: number, layout: HeldGroup): Promise<boolean> {
    const last = await this.#last(this.topic, `${this.topic}.${filterOf(partition, layout.partitions)}`);
    if (last === undefined) return true;
    const position = await this.position(partition, layout);
    return position !== undefined && position.high >= last.seq && position.unsettled.length === 0;
  }

  async #last(stream: string, subject: string): Promise<HeldMessage | undefined> {
    const answer = await this.nats.request(
      `$JS.API.STREAM.MSG.GET.${stream}`,
      JSON.stringify({ last_by_subj: subject }),
      { timeout: ANSWER_WITHIN_MS },
    );
    const { message, error } = answer.json<{ message?: HeldMessage; error?: { err_code: number } }>();
    if (error !== undefined && error.err_code !== NOT_FOUND)
      throw new Error(`expected ${stream} to answer, found error ${error.err_code}`);
    return message;
  }
}

function textOf({ data = '' }: HeldMessage): string {
  return Buffer.from(data, 'base64').toString('utf8');
}

/** The subjects of a partition after the topic: the leading bits of its slots. */
function filterOf(partition: number, partitions: number): string {
  const bits = Math.log2(partitions);
  const prefix = bits === 0 ? '' : `${Array.from(partition.toString(2).padStart(bits, '0')).join('.')}.`;
  return `${prefix}>`;
}
