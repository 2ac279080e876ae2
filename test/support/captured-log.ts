import type { LoggerService } from '@nestjs/common';
import { eventually } from './eventually.js';

/** Keeps what was logged, as `level text`, so that a test can read what a user would. */
export class CapturedLog implements LoggerService {
  readonly lines: string[] = [];

  debug(text: unknown): void {
    this.#keep('debug', text);
  }

  log(text: unknown): void {
    this.#keep('log', text);
  }

  warn(text: unknown): void {
    this.#keep('warn', text);
  }

  error(text: unknown): void {
    this.#keep('error', text);
  }

  matching(pattern: RegExp): string[] {
    return this.lines.filter((line) => pattern.test(line));
  }

  /** Resolves with the first line that matches. */
  async says(pattern: RegExp, withinMs?: number, now?: () => number): Promise<string> {
    const isSaid = (): boolean => this.matching(pattern).length > 0;
    await eventually(`a log line like ${pattern.source}`, isSaid, withinMs, now);
    return this.matching(pattern)[0]!;
  }

  #keep(level: string, text: unknown): void {
    this.lines.push(`${level} ${text instanceof Error ? `${text.name}: ${text.message}` : String(text)}`);
  }
}
