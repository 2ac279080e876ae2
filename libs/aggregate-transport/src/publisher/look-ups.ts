import { describeError } from '../errors.js';
import type { Log } from '../log.js';
import { type Fate, fateOf } from './fate.js';
import type { Entry } from './line.js';
import type { PublishPort } from './publish-port.js';

/** Asks the stream what became of events. */
export class LookUps {
  constructor(
    private readonly topic: string,
    private readonly port: PublishPort,
    private readonly log: Log,
  ) {}

  /** What became of the head; undefined if that stays open, or the head is no longer the head. Meanwhile the line is `checking`. */
  async ask(entry: Entry, refused?: { wrongSequence: boolean }): Promise<Fate | undefined> {
    const { line } = entry;
    line.mode = 'checking';
    try {
      const fate = await fateOf(this.port, entry, refused);
      return line.head === entry ? fate : undefined;
    } catch (error) {
      this.log.warn(
        `topic "${this.topic}": an event's outcome could not be looked up: ${describeError(error)}`,
      );
      if (line.head === entry) line.mode = 'open';
      return undefined;
    }
  }

  /** Logs what an unknown outcome turned out to be. */
  tell({ event, batch }: Entry, fate: Fate): void {
    // Without expectedSequence only the aggregate's last event is looked at, and the last one of its batch.
    const about = batch === undefined ? 'not its' : 'neither it nor the end of its batch is the';
    const found =
      fate.kind === 'stored' ? 'stored' : `${about} aggregate's last event, so most likely not stored`;
    this.log.info(
      `topic "${this.topic}": the unknown outcome of an event of "${event.token}" was looked up: ${found}`,
    );
  }
}
