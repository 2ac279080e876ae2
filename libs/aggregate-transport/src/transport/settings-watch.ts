import { type Clock, every, type Timer } from '../clock.js';
import type { LogAt } from '../log.js';
import type { ChangedSetting, ChangedSettings } from '../observe/observed.js';
import type { SettingDifference } from '../records/setting-difference.js';
import type { TopicWire } from './wires.js';

/** A change is seen at the latest after this time and one answer, also if one look fails: within 10 s. */
const SETTINGS_LOOK_MS = 4_000;

export interface SettingsWatchOptions {
  readonly topic: string;
  readonly wire: Pick<TopicWire, 'connected' | 'settingDifferences'>;
  readonly clock: Clock;
  readonly log: LogAt<'topic'>;
}

/**
 * Notices when an operator edits a stream so that it breaks a promise. The start-up refuses such a stream; nothing else
 * would tell of an edit while events flow.
 *
 * Every process looks for itself: health and log belong to a process, and a publisher has no group to look for it.
 * Between {@link start} and {@link close} it looks every four seconds. A look that gets no answer changes nothing: what
 * it says was found by the last one that did.
 */
export class SettingsWatch implements ChangedSettings {
  #changed: ReadonlyMap<string, ChangedSetting> = new Map();
  /** By change: what the stream must be, for the line that says it is so again. */
  readonly #wanted = new Map<string, string>();
  #timer: Timer | undefined;
  #isLooking = false;

  constructor(private readonly options: SettingsWatchOptions) {}

  current(): readonly ChangedSetting[] {
    return [...this.#changed.values()];
  }

  start(): void {
    this.#timer ??= every(this.options.clock, SETTINGS_LOOK_MS, () => {
      if (this.#isLooking || !this.options.wire.connected) return;
      this.#isLooking = true;
      void this.#look().finally(() => (this.#isLooking = false));
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #look(): Promise<void> {
    const found = await this.options.wire.settingDifferences().catch(() => undefined);
    if (found !== undefined && this.#timer !== undefined) this.#note(found);
  }

  #note(found: readonly SettingDifference[]): void {
    const { topic, clock, log } = this.options;
    const before = this.#changed;
    const changed = new Map<string, ChangedSetting>();
    for (const difference of found) {
      const { stream, setting, expected, todo } = difference;
      const what = describe(difference);
      const key = `${stream} ${what}`;
      const known = before.get(key);
      changed.set(
        key,
        known ?? { stream, what, since: clock.wallNow(), ...(todo === undefined ? {} : { todo }) },
      );
      this.#wanted.set(key, `${setting} ${expected}`);
      if (known === undefined)
        log.write(
          'setting-changed',
          { stream, why: what, ...(todo === undefined ? {} : { remedy: todo }) },
          `topic "${topic}": stream "${stream}" breaks a promise since it was edited: ${what}${todo === undefined ? '' : `; ${todo}`}`,
        );
    }
    this.#changed = changed;
    for (const [key, { stream }] of before) {
      if (changed.has(key)) continue;
      const text = `topic "${topic}": stream "${stream}" is as it must be again: ${this.#wanted.get(key)}`;
      log.write('setting-restored', { stream }, text);
      this.#wanted.delete(key);
    }
  }
}

function describe({ setting, expected, found, remedy }: SettingDifference): string {
  return `expected ${setting} ${expected}, found ${found}; ${remedy}`;
}
