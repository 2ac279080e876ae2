import type { Clock } from '../../clock.js';
import { Patience } from '../../operating/groups/patience.js';
import type { Terminal } from '../command/terminal.js';
import { jsonLine } from '../command/json-line.js';

export interface ProgressOptions {
  readonly topic: string;
  readonly group: string;
  readonly json: boolean;
  readonly terminal: Pick<Terminal, 'print'>;
  readonly clock: Clock;
  /** How long the command waits for its end, in milliseconds. */
  readonly waitMs: number;
}

/** What a command about one group tells: a line of text or one JSON value a line. */
export class Progress {
  /** Tells while it waits. */
  readonly patience: Patience;

  constructor(private readonly options: ProgressOptions) {
    const { clock, waitMs } = options;
    this.patience = new Patience({ clock, waitMs, heard: (what, text) => this.say(what, text) });
  }

  /** Prints an outcome. */
  say(value: object, text: string): void {
    const { topic, group, json, terminal } = this.options;
    terminal.print(
      json ? jsonLine('group-change', { topic, group, ...value }) : `${topic} ${group}: ${text}`,
    );
  }
}
