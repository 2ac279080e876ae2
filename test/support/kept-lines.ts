import type { LoggedLine, LineLogger } from 'nestjs-aggregate-transport';
import { CapturedLog } from './captured-log.js';

/** An application's logger with `writeLine`: keeps the library's lines whole, with their events and fields. */
export class KeptLines extends CapturedLog implements LineLogger {
  readonly kept: LoggedLine[] = [];

  writeLine(line: LoggedLine): void {
    this.kept.push(line);
    this[line.level === 'info' ? 'log' : line.level](line.text);
  }
}
