import type { Clock, Timer } from '#library/clock.js';

/** Where callbacks wait for their turn: first in, first out. Its speed says how often one of them has it. */
export class Channel {
  readonly waiting: (() => void)[] = [];
  isFrozen = false;

  constructor(public speed: number) {}

  post(callback: () => void): void {
    this.waiting.push(callback);
  }
}

interface Alarm {
  readonly at: number;
  readonly order: number;
  readonly channel: Channel;
  readonly callback: () => void;
}

/**
 * Time and turns of a random walk: of all that could happen next, chance picks one. Each view posts into a channel, so
 * that a server may answer late and a process may be frozen while all others work.
 */
export class WalkClock {
  #now = 0;
  #order = 0;
  readonly #alarms = new Set<Alarm>();
  readonly #channels = new Set<Channel>();

  constructor(private readonly random: () => number) {}

  get now(): number {
    return this.#now;
  }

  channel(speed: number): Channel {
    const channel = new Channel(speed);
    this.#channels.add(channel);
    return channel;
  }

  /** What waits in it, and its timers, never happens. */
  drop(channel: Channel): void {
    this.#channels.delete(channel);
    for (const alarm of this.#alarms) if (alarm.channel === channel) this.#alarms.delete(alarm);
  }

  view(channel: Channel): Clock {
    return {
      now: () => this.#now,
      wallNow: () => Date.UTC(2026, 0, 1) + this.#now,
      after: (delayMs, callback): Timer => {
        const alarm = { at: this.#now + delayMs, order: this.#order++, channel, callback };
        if (this.#channels.has(channel)) this.#alarms.add(alarm);
        return { cancel: () => void this.#alarms.delete(alarm) };
      },
      soon: (callback) => queueMicrotask(() => this.#channels.has(channel) && callback()),
      nextTurn: (callback) => channel.post(callback),
    };
  }

  /** One thing happens: a callback has its turn, or the next timer is due. False if nothing can happen. */
  async step(timeSpeed: number): Promise<boolean> {
    const ready = [...this.#channels].filter(({ waiting, isFrozen }) => waiting.length > 0 && !isFrozen);
    const alarm = this.#next();
    let left = ready.reduce((sum, { speed }) => sum + speed, alarm === undefined ? 0 : timeSpeed);
    if (left === 0) return false;
    left *= this.random();
    const chosen = ready.find(({ speed }) => (left -= speed) < 0);
    if (chosen !== undefined) chosen.waiting.shift()?.();
    else if (alarm !== undefined) this.#fire(alarm);
    await new Promise((resolve) => setImmediate(resolve));
    return true;
  }

  /** Lets time pass. Everything that is ready on the way happens first. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (let alarm = this.#next(); ; alarm = this.#next()) {
      while (await this.step(0));
      if (alarm === undefined || alarm.at > until) break;
      if (!this.#alarms.has(alarm)) continue;
      this.#fire(alarm);
    }
    this.#now = Math.max(this.#now, until);
    while (await this.step(0));
  }

  #fire(alarm: Alarm): void {
    this.#alarms.delete(alarm);
    this.#now = Math.max(this.#now, alarm.at);
    alarm.callback();
  }

  #next(): Alarm | undefined {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.channel.isFrozen) continue;
      if (next === undefined || alarm.at < next.at || (alarm.at === next.at && alarm.order < next.order))
        next = alarm;
    }
    return next;
  }
}

/** Random numbers that come again for the same seed. */
export function seeded(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4_294_967_296;
  };
}
