import { isSabotaged } from '#library/sabotage.js';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import type { PartitionPorts } from '#library/consumer/partition-options.js';
import { AggregateTransportError } from '#library/errors.js';
import { prepareEvent } from '#library/message/outgoing/prepare-event.js';
import { jsonCodec } from '#library/message/codec.js';
import { Delivery } from '#library/message/delivery.js';
import type { Feed, FeedListener, ReaderPort } from '#library/message/reader-port.js';
import { ParkedCommands } from '#library/operating/commands/operator-commands.js';
import type { ParkedPort } from '#library/parking/parked-port.js';
import { firstGroupRecord, type GroupRecord } from '#library/records/group-record.js';
import type { KeyPort } from '#library/records/key-port.js';
import { decodeSequences, type PositionRecord } from '#library/records/position-record.js';
import { MemoryKey } from '#library/testing/memory/memory-key.js';
import { MemoryParked } from '#library/testing/memory/memory-parked.js';
import { MemoryReaders } from '#library/testing/memory/memory-readers.js';
import { MemoryStream } from '#library/testing/memory/memory-stream.js';
import { ReplayWitness } from './replay-witness.js';
import { type Channel, seeded, WalkClock } from './walk-clock.js';
import { type ProcessWorld, WalkProcess } from './walk-process.js';

const AGGREGATES = ['a', 'b', 'c'];
/** Stream times in memory are numbered within their millisecond; times of letters are whole milliseconds. */
const LETTER_TIME = /000000$/;
const MAX_CRASHES = 6;
const FINISH_ROUNDS = 120;

export interface WalkOptions {
  readonly steps: number;
  /** Called with each walk's process and step, as the library names it. */
  readonly log?: boolean;
  /** An operator lets histories of single aggregates be handled again. */
  readonly replays?: boolean;
}

export interface WalkEvidence {
  claims: number;
  deaths: number;
  sleeps: number;
  handOvers: number;
  parked: number;
  diverted: number;
  filed: number;
  replayed: number;
  unparked: number;
  crashed: number;
  afterRemoval: number;
  late: number;
}

export function noEvidence(): WalkEvidence {
  return {
    ...{ claims: 0, deaths: 0, sleeps: 0, handOvers: 0, parked: 0, diverted: 0, filed: 0, replayed: 0 },
    ...{ unparked: 0, crashed: 0, afterRemoval: 0, late: 0 },
  };
}

type Fate = 'answered' | 'answer lost' | 'lost' | 'late' | 'dies before' | 'dies after' | 'refused';

interface Hanging {
  readonly event: Delivery;
  end(failure: Failure | undefined): void;
}

/**
 * A random walk. Owners of one partition come and go, die at any moment, sleep and wake, lose answers and write late.
 * Handlers fail or hang, and an operator retries what is parked. In the end all heals, and nothing may be lost.
 */
export class Walk implements ProcessWorld {
  readonly red: string[] = [];
  readonly log: string[] = [];
  readonly group: GroupRecord;
  readonly evidence = noEvidence();
  readonly #random: () => number;
  readonly #clock: WalkClock;
  readonly #stream: MemoryStream;
  readonly #readers: MemoryReaders;
  readonly #position: MemoryKey<PositionRecord>;
  readonly #parked: MemoryParked;
  readonly #operator: ParkedCommands;
  readonly #processes: WalkProcess[] = [];
  readonly #late: (() => void)[] = [];
  readonly #hanging: Hanging[] = [];
  readonly #handled = new Set<number>();
  readonly #aggregateOf = new Map<number, string>();
  /** The record each epoch claimed. */
  readonly #claimed = new Map<number, PositionRecord>();
  readonly #lastStart = new Map<string, number>();
  /** Of each aggregate, in any epoch: a replay is a suffix, so the next start is at most one event further. */
  readonly #lastStartOf = new Map<string, number>();
  readonly #runs = new Map<WalkProcess, Set<string>>();
  readonly #survived = new Set<string>();
  readonly witness = new ReplayWitness();
  readonly #policy: FailurePolicy;
  readonly #sizes;
  readonly #rates;
  #epoch = 0;
  #holder: WalkProcess | undefined;
  #crashes = 0;
  #isHealed = false;
  #commands = 0;
  #diesIn = Number.POSITIVE_INFINITY;

  constructor(
    readonly seed: number,
    private readonly options: WalkOptions,
  ) {
    const random = (this.#random = seeded(seed));
    for (let n = 0; n < 8; n++) random();
    const clock = (this.#clock = new WalkClock(random));
    const server = (...speeds: number[]): Channel => clock.channel(this.#pick(speeds));
    const moved = (): void => undefined;
    this.#stream = new MemoryStream(clock.view(server(1)), 120_000);
    this.#readers = new MemoryReaders({
      ...{ stream: this.#stream, prefix: 't.', clock: clock.view(server(0.05, 0.3, 1)), moved },
    });
    this.#position = new MemoryKey<PositionRecord>({ clock: clock.view(server(0.03, 0.2, 1)), moved });
    const parkedClock = clock.view(server(0.3, 1, 3));
    this.#parked = new MemoryParked({ maxLetters: 1_000, clock: parkedClock, moved });
    this.#operator = new ParkedCommands({
      name: 't, g',
      port: this.#parked.connect('g', ''),
      clock: clock.view(clock.channel(1)),
      newId: () => `command ${++this.#commands}`,
    });
    this.#policy = {
      retry: { attempts: this.#pick([1, 2]), firstDelayMs: 10, factor: 1, maxDelayMs: 10, jitter: 0 },
      onExhausted: 'park',
    };
    this.#sizes = {
      batch: this.#pick([1, 3, 20]),
      maxAckPending: this.#pick([4, 8, 100]),
      concurrency: this.#pick([1, 4]),
      commitEveryMs: this.#pick([0, 5, 50]),
    };
    this.#rates = {
      time: this.#pick([0.02, 0.1]),
      fail: this.#pick([0.1, 0.4, 0.7]),
      hang: this.#pick([0, 0.05, 0.2]),
      release: this.#pick([0.002, 0.01, 0.03]),
      crash: this.#pick([0, 0.004, 0.015]),
      afterRemoval: this.#pick([0, 0.2, 0.6]),
      faults: this.#pick([0, 0.05, 0.15]),
      command: this.#pick([0.01, 0.04]),
      jump: this.#pick([0, 0.005, 0.02]),
    };
    this.group = firstGroupRecord(1, { sequence: 0, created: this.#stream.created });
    for (let left = 3 + this.#below(10); left > 0; left--) this.#publish();
  }

  /** Runs to the end. What is wrong stands in {@link red}. */
  async run(): Promise<this> {
    for (let step = 0; step < this.options.steps && this.red.length === 0; step++) {
      if (this.options.replays === true && this.#random() < 0.01) this.#replay();
      await this.#act();
      await this.#clock.step(this.#rates.time);
    }
    if (this.red.length === 0) await this.#finish();
    if (this.options.replays === true) this.witness.finish(this.#aggregateOf);
    if (this.options.replays === true) this.red.push(...this.witness.red);
    for (const process of this.#processes) this.#count(process);
    for (const process of this.#processes) if (!process.isDead) this.#end(process);
    return this;
  }

  /** Ends the owner within a few steps. */
  dieSoon(steps: number): void {
    if (this.#isHealed || this.#crashes >= MAX_CRASHES) return;
    this.#diesIn = Math.min(this.#diesIn, steps);
  }

  startOver(process: WalkProcess, above: number): void {
    process.above = Math.max(process.above, above);
    this.#note(`${process.owner} starts over, above ${above}`);
    this.#lose(process);
    this.#disown(process);
  }

  hasSurvived(owner: string, epoch: number): boolean {
    return this.#survived.has(`${owner} ${epoch}`);
  }

  handle(process: WalkProcess, event: Delivery): PromiseLike<Failure | undefined> | Failure | undefined {
    if (process.isDead) return new Promise(() => undefined);
    this.#checkStart(process, event);
    const chance = this.#random();
    const fails = !this.#isHealed && this.#random() < this.#rates.fail;
    // What its context says stays what it was when the attempt began.
    const began = { fails, run: runOf(process, event), epoch: process.epoch };
    const end = (): Failure | undefined => this.#ended(process, event, began);
    if (!this.#isHealed && chance < this.#rates.hang) {
      return new Promise((resolve) => {
        this.#hanging.push({ event, end: () => process.options.cpu.post(() => resolve(end())) });
      });
    }
    if (chance < 0.5) return end();
    return new Promise((resolve) => process.options.cpu.post(() => resolve(end())));
  }

  #checkStart(process: WalkProcess, event: Delivery): void {
    const { sequence, token } = event;
    const { epoch } = process;
    const isLetter = LETTER_TIME.test(event.origin.readStoredAt());
    const how = isLetter ? 'letter' : 'live';
    this.#note(`${process.owner} e${epoch} START ${token}${sequence} ${how}`);
    if (!process.holds) this.red.push(`OWNER: ${process.owner} starts ${token}${sequence} without the lease`);
    const running = this.#runs.get(process) ?? new Set<string>();
    this.#runs.set(process, running);
    if (running.has(token))
      this.red.push(`TOGETHER: ${process.owner} starts ${token}${sequence} beside another`);
    running.add(token);
    const key = `${epoch} ${token}`;
    const last = this.#lastStart.get(key) ?? 0;
    this.witness.start(event, { epoch, run: runOf(process, event) });
    if (sequence < last) this.#wentBack(`e${epoch} starts ${token}${sequence} (${how}) after ${last}`);
    this.#lastStart.set(key, Math.max(last, sequence));
    const before = this.#lastStartOf.get(token) ?? 0;
    for (const [skipped, aggregate] of this.#aggregateOf) {
      if (aggregate !== token || skipped <= before || skipped >= sequence) continue;
      this.red.push(`SKIP: e${epoch} starts ${token}${sequence} (${how}) after ${before}, past ${skipped}`);
    }
    this.#lastStartOf.set(token, sequence);
    for (const [earlier, aggregate] of this.#aggregateOf) {
      if (aggregate !== token || earlier >= sequence || this.#handled.has(earlier)) continue;
      this.red.push(
        `OVERTAKE: e${epoch} starts ${token}${sequence} (${how}), and ${earlier} was never handled`,
      );
    }
    const claimed = this.#claimed.get(epoch);
    if (claimed === undefined) this.red.push(`UNCLAIMED: e${epoch} starts ${token}${sequence}`);
    else if (
      !isLetter &&
      sequence <= claimed.high &&
      !decodeSequences(claimed.unsettled).includes(sequence)
    ) {
      this.red.push(`TWICE: e${epoch} starts ${token}${sequence}, which its claimed record calls settled`);
    }
  }

  /** With replays the witness tells whether an owner may. */
  #wentBack(what: string): void {
    if (this.options.replays !== true) this.red.push(`ORDER: ${what}`);
  }

  #ended(
    process: WalkProcess,
    event: Delivery,
    { fails, run, epoch }: { fails: boolean; run: number; epoch: number },
  ): Failure | undefined {
    const { token, sequence } = event;
    this.#runs.get(process)?.delete(token);
    if (fails) {
      this.#note(`${process.owner} failed ${token}${sequence}`);
      return { stage: 'handler', error: new Error('no stock'), unrecoverable: false };
    }
    this.#note(`${process.owner} handled ${token}${sequence}`);
    this.#handled.add(sequence);
    this.witness.end(event, { epoch, run });
    return undefined;
  }

  /** What the world does beside the processes. */
  async #act(): Promise<void> {
    const { crash, command, jump } = this.#rates;
    const holder = this.#holder;
    if (holder !== undefined && --this.#diesIn <= 0) {
      this.#diesIn = Number.POSITIVE_INFINITY;
      this.#kill(holder);
      return;
    }
    const chance = this.#random();
    if (holder === undefined && chance < 0.3) this.#succeed();
    else if (holder !== undefined && chance < (this.#hanging.length > 0 ? 2 * crash : crash))
      this.#disturb(holder);
    else if (chance < 0.05) this.#publish();
    else if (chance < 0.05 + command) this.#command();
    else if (chance < 0.1 + command) this.#wake();
    else if (chance < 0.1 + this.#rates.release + command && this.#hanging.length > 0) this.#release();
    else if (chance < 0.15 + command && this.#late.length > 0) this.#arrive();
    else if (chance > 1 - jump) await this.#jump(1_300);
  }

  async #jump(ms: number): Promise<void> {
    this.#note(`-- ${ms} ms pass`);
    const until = this.#clock.now + ms;
    for (let left = 600; left > 0 && this.#clock.now < until; left--) await this.#clock.step(2);
  }

  #publish(): void {
    const token = this.#pick(AGGREGATES);
    const event = prepareEvent(
      { aggregateId: token, type: 'Counted', payload: 1 },
      { topic: 't', codec: jsonCodec, maxPayloadBytes: 1e6, wallMs: 0 },
    );
    const answer = this.#stream.append(event);
    if (answer.kind === 'stored') this.#aggregateOf.set(answer.sequence, token);
  }

  #command(): void {
    const token = this.#pick(AGGREGATES);
    void this.#operator.command(token, 'retry', 0).catch(() => undefined);
  }

  #replay(): void {
    const token = this.#pick(AGGREGATES);
    const events = [...this.#aggregateOf].flatMap(([sequence, of]) => (of === token ? [sequence] : []));
    const from = this.#random() < 0.3 ? 1 : this.#pick([1, ...events]);
    const replay = { from, created: this.#stream.created };
    const heard = this.witness.ask(
      token,
      from,
      events.filter((sequence) => sequence >= from),
    );
    this.#note(`-- an operator asks for ${token} from ${from}`);
    void this.#operator.replay(token, replay, 600_000).then(
      ({ outcome }) => {
        this.#note(`-- the replay of ${token} from ${from}: ${outcome}`);
        if (outcome !== 'running') heard(outcome === 'unparked');
      },
      () => undefined,
    );
  }

  #release(): void {
    this.#hanging.splice(this.#below(this.#hanging.length), 1)[0]?.end(undefined);
  }

  #arrive(): void {
    this.evidence.late++;
    this.#note('-- a late write arrives');
    this.#late.splice(this.#below(this.#late.length), 1)[0]?.();
  }

  /** The owner dies, falls asleep, loses its lease, or hands the partition over. */
  #disturb(process: WalkProcess): void {
    if (this.#crashes >= MAX_CRASHES) return;
    // A lease that is lost and taken again shows most while a handler runs.
    const chance = this.#hanging.length > 0 && this.#random() < 0.5 ? 0.8 : this.#random();
    if (chance < 0.5) {
      this.#kill(process);
    } else if (chance < 0.7) {
      this.evidence.sleeps++;
      this.#note(`-- ${process.owner} falls asleep`);
      this.#lose(process);
      process.options.cpu.isFrozen = process.options.net.isFrozen = true;
    } else if (chance < 0.85) {
      this.#note(`-- ${process.owner} loses its lease`);
      this.#lose(process);
      this.#disown(process);
    } else {
      void this.#handOver(process);
    }
    this.#crashes++;
  }

  async #handOver(process: WalkProcess): Promise<void> {
    this.#note(`-- ${process.owner} hands over`);
    const { consumer, epoch } = process;
    const isDrained = await consumer.drain.completed(5_000);
    if (process.isDead) return;
    if (isDrained && process.holds && process.epoch === epoch) {
      this.evidence.handOvers++;
      this.#lose(process);
      this.#disown(process);
    }
    consumer.drain.undo();
  }

  #lose(process: WalkProcess): void {
    process.holds = false;
    process.isDisowned = false;
    if (this.#holder === process) this.#holder = undefined;
  }

  #disown(process: WalkProcess): void {
    if (process.isDisowned) return;
    process.isDisowned = true;
    this.#survived.add(`${process.owner} ${process.epoch}`);
    process.consumer.disown('the walk says so');
  }

  /** A process that slept finds that its lease has ended, sooner or later. */
  #wake(): void {
    const awake = this.#processes.filter(({ isDead, isDisowned }) => !isDead && !isDisowned);
    for (const process of awake) {
      if (process === this.#holder) continue;
      const { cpu, net } = process.options;
      if (cpu.isFrozen) cpu.isFrozen = net.isFrozen = false;
      // Its timer comes late: until then only its deadline keeps it from starting.
      else if (this.#isHealed || this.#random() < 0.3) this.#disown(process);
    }
  }

  #kill(process: WalkProcess): void {
    if (process.isDead) return;
    this.evidence.deaths++;
    this.#note(`-- ${process.owner} dies`);
    this.#lose(process);
    this.#end(process);
  }

  #end(process: WalkProcess): void {
    process.isDead = true;
    this.#clock.drop(process.options.cpu);
    this.#clock.drop(process.options.net);
  }

  #succeed(): void {
    const free = this.#processes.filter(({ isDead, isDisowned }) => !isDead && isDisowned);
    const process = free.length > 0 && this.#random() < 0.5 ? this.#pick(free) : this.#spawn();
    const isSame = isSabotaged('token-stands-still') && this.#epoch > 0;
    process.epoch = this.#epoch = Math.max(this.#epoch, process.above) + (isSame ? 0 : 1);
    process.holds = true;
    this.#holder = process;
    this.#note(`--- ${process.owner} owns, epoch ${process.epoch}`);
    process.consumer.own(this.#position.stored.value !== undefined);
  }

  #spawn(): WalkProcess {
    const cpu = this.#clock.channel(this.#pick([0.5, 2]));
    const net = this.#clock.channel(this.#pick([0.5, 2]));
    const owner = `p${this.#processes.length + 1}`;
    const clock = this.#clock.view(cpu);
    // The ports are asked only after the process exists.
    const line = new Line(
      net,
      () => process.isDead,
      this.#chance(() => process),
    );
    const ports: PartitionPorts = {
      connect: (listener) => line.readerPort(this.#readers.connect(listener)),
      positionPort: line.keyPort(this.#position.connect(), (value) => {
        if (value.write === 1) this.#claimed.set(value.epoch, value);
      }),
      parkedPort: line.parkedPort(this.#hearing(this.#parked.connect('g', ''))),
    };
    const process: WalkProcess = new WalkProcess({
      ...{
        owner,
        world: this,
        clock,
        random: this.#random,
        cpu,
        net,
        ports,
        policy: this.#policy,
        sizes: this.#sizes,
      },
    });
    this.#processes.push(process);
    return process;
  }

  #hearing(port: ParkedPort): ParkedPort {
    return {
      ...port,
      writeMarker: (token, marker, revision) => {
        if (marker.answer?.error !== undefined) this.witness.failed(token);
        return port.writeMarker(token, marker, revision);
      },
    };
  }

  #chance(process: () => WalkProcess): LineChance {
    return {
      fateOf: (call) => {
        if (this.#isHealed || this.#random() >= this.#rates.faults) return 'answered';
        const fate = this.#pick<Fate>([
          'answer lost',
          'lost',
          'late',
          'dies before',
          'dies after',
          'refused',
        ]);
        if (fate === 'refused') return call === 'append' ? fate : 'answered';
        if (fate.startsWith('dies') && this.#crashes++ >= MAX_CRASHES) return 'answered';
        this.#note(`  ${process().owner} ${call}: ${fate}`);
        return fate;
      },
      die: () => this.#kill(process()),
      lag: (letters) => this.#below(letters + 1),
      keep: (carryOut) => void this.#late.push(carryOut),
      done: (call, what) => {
        this.#note(`  ${process().owner} ${call} ${what}`);
        if (
          !call.startsWith('remove') ||
          call === 'removeMarker' ||
          this.#random() >= this.#rates.afterRemoval
        )
          return;
        this.evidence.afterRemoval++;
        this.dieSoon(this.#below(60));
      },
    };
  }

  /** Everything heals, and the owner works until nothing is left to do. */
  async #finish(): Promise<void> {
    this.#isHealed = true;
    this.#note('-- all heals');
    while (this.#hanging.length > 0) this.#release();
    for (let round = 0; round < FINISH_ROUNDS && this.red.length === 0; round++) {
      this.#wake();
      if (this.#holder === undefined) this.#succeed();
      if (round === 3) while (this.#late.length > 0) this.#arrive();
      // A commit says what has changed, so one event more ends what earlier owners left.
      if (round === 6) this.#publish();
      for (const token of AGGREGATES) void this.#operator.command(token, 'retry', 0).catch(() => undefined);
      await this.#clock.advance(round < 40 ? 300 : 3_000);
      if (round > 7 && (await this.#isDone())) return;
    }
    if (this.red.length > 0) return;
    for (const [sequence, token] of this.#aggregateOf) {
      if (!this.#handled.has(sequence)) this.red.push(`LOST: ${token}${sequence}`);
    }
    const { value } = this.#position.stored;
    this.red.push(
      `STUCK: ${JSON.stringify(value)}, ${await this.#markers()}; ${JSON.stringify(this.#holder?.consumer.load)} ` +
        JSON.stringify(this.#sizes),
    );
  }

  async #isDone(): Promise<boolean> {
    const { value } = this.#position.stored;
    const isSettled = value?.high === this.#stream.lastSequence && value.unsettled === '';
    const isClean = Object.keys(value?.starts ?? {}).length === 0 && value?.deaths === 0;
    if (!isSettled || !isClean || (await this.#markers()) !== '[]') return false;
    const load = this.#holder?.consumer.load;
    if (load?.lanes !== 0 || load.events !== 0 || load.parked !== 0) return false;
    for (const [sequence, token] of this.#aggregateOf) {
      if (!this.#handled.has(sequence)) this.red.push(`LOST: ${token}${sequence}`);
    }
    return true;
  }

  async #markers(): Promise<string> {
    let found: string | undefined;
    void this.#parked
      .connect('g', '')
      .markers()
      .then((markers) => (found = JSON.stringify(markers)));
    while (found === undefined) await this.#clock.step(0.01);
    return found;
  }

  #count({ consumer }: WalkProcess): void {
    const { parked, filed, replayed, unparked, crashed, claims } = consumer.counts;
    const { evidence } = this;
    evidence.claims += claims;
    evidence.parked += parked;
    evidence.filed += filed;
    evidence.replayed += replayed;
    evidence.unparked += unparked;
    evidence.crashed += crashed;
  }

  #note(text: string): void {
    if (text.includes('"diverted"')) this.evidence.diverted++;
    if (this.options.log === true) this.log.push(`${this.#clock.now} ${text}`);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)]!;
  }
}

/** What `ctx.run` says. */
function runOf({ consumer }: WalkProcess, { origin, sequence }: Delivery): number {
  return origin.run ?? consumer.runOf(sequence);
}

interface LineChance {
  fateOf(call: string): Fate;
  /** How many of so many letters a replica knows. */
  lag(letters: number): number;
  die(): void;
  /** Carried out some time later. */
  keep(carryOut: () => void): void;
  done(call: string, what: string): void;
}

/** A process's line to the server: requests may be lost, answers too, and to a dead process none comes. */
class Line {
  constructor(
    private readonly net: Channel,
    private readonly isDead: () => boolean,
    private readonly chance: LineChance,
  ) {}

  keyPort(port: KeyPort<PositionRecord>, sent: (value: PositionRecord) => void): KeyPort<PositionRecord> {
    return {
      maxBytes: port.maxBytes,
      read: () => this.#ask(() => port.read()),
      write: (value, revision) => {
        sent(value);
        const copy = structuredClone(value);
        return this.#send('write', JSON.stringify(value), () => port.write(copy, revision));
      },
      onHint: (callback) => port.onHint((value) => this.#hear(() => callback(value))),
      close: () => port.close(),
    };
  }

  parkedPort(port: ParkedPort): ParkedPort {
    return {
      markers: () => this.#ask(() => port.markers()),
      readMarker: (token) => this.#ask(() => port.readMarker(token)),
      writeMarker: (token, marker, revision) => {
        const copy = structuredClone(marker);
        const what = `${token} ${JSON.stringify(marker)} over ${revision}`;
        return this.#send('writeMarker', what, () => port.writeMarker(token, copy, revision));
      },
      removeMarker: (revision) =>
        this.#send('removeMarker', `${revision}`, () => port.removeMarker(revision)),
      onMarker: (callback) => port.onMarker((token, marker) => this.#hear(() => callback(token, marker))),
      append: (events, note, after) => {
        const copy = structuredClone(note);
        const names = events.map(({ token, sequence }) => `${token}${sequence}`).join();
        const what = `${names} of ${note.marker} after ${after}`;
        return this.#send('append', what, () => port.append(events, copy, after), {
          kind: 'refused',
          reason: 'maximum messages exceeded',
        });
      },
      appendSkipped: (event, note) => this.#send('appendSkipped', '', () => port.appendSkipped(event, note)),
      appendEdit: (event, note) => this.#send('appendEdit', '', () => port.appendEdit(event, note)),
      at: (position) => this.#ask(() => port.at(position)),
      next: (token, after) => this.#ask(() => port.next(token, after)),
      last: (token) => this.#ask(() => port.last(token)),
      // From a replica that lags: some of the letters, or none.
      page: (token, after, limits) =>
        this.#ask(async () => {
          const letters = await port.page(token, after, limits);
          return letters.slice(0, this.chance.lag(letters.length));
        }),
      lettered: () => this.#ask(() => port.lettered()),
      removeLetter: (position) =>
        this.#send('removeLetter', `${position}`, () => port.removeLetter(position)),
      removeThrough: (token, position) =>
        this.#send('removeThrough', `${position}`, () => port.removeThrough(token, position)),
      close: () => port.close(),
    };
  }

  readerPort(port: ReaderPort): ReaderPort {
    return {
      get connected() {
        return port.connected;
      },
      open: async (request, listener) => {
        const heard = new HeardLater(this, listener);
        const feed = await this.#ask(() => port.open(request, heard));
        return heard.closing(feed);
      },
      stream: () => this.#ask(() => port.stream()),
      find: (sequence) => this.#ask(() => port.find(sequence)),
      next: (token, fromSequence) => this.#ask(() => port.next(token, fromSequence)),
      countPurged: () => 0,
      close: () => port.close(),
    };
  }

  hear(callback: () => void): void {
    this.#hear(callback);
  }

  #hear(callback: () => void): void {
    this.net.post(() => {
      if (!this.isDead()) callback();
    });
  }

  #ask<T>(request: () => Promise<T>): Promise<T> {
    if (this.isDead()) return new Promise(() => undefined);
    return new Promise((resolve, reject) => {
      request().then(
        (answer) => this.#hear(() => resolve(answer)),
        (error: unknown) => this.#hear(() => reject(error)),
      );
    });
  }

  #send<T>(call: string, what: string, request: () => Promise<T>, refused?: T): Promise<T> {
    if (this.isDead()) return new Promise(() => undefined);
    const fate = this.chance.fateOf(call);
    const lost = (): Promise<T> =>
      new Promise((_resolve, reject) =>
        this.#hear(() =>
          reject(new AggregateTransportError('JETSTREAM_REQUEST_FAILED', `no answer to ${call}`)),
        ),
      );
    const carryOut = (): Promise<T> =>
      request().then((answer) => {
        this.chance.done(call, `${what} -> ${JSON.stringify(answer)}`);
        return answer;
      });
    switch (fate) {
      case 'answered':
        return this.#ask(carryOut);
      case 'refused':
        return Promise.resolve(refused as T);
      case 'lost':
        return lost();
      case 'late':
        this.chance.keep(() => void carryOut());
        return lost();
      case 'answer lost':
        return this.#ask(carryOut).then(lost);
      case 'dies before':
        if (what.length % 2 === 0) this.chance.keep(() => void carryOut());
        this.chance.die();
        return new Promise(() => undefined);
      case 'dies after':
        void carryOut().then(() => this.chance.die());
        return new Promise(() => undefined);
    }
  }
}

/** What a reader tells arrives over the line, in order, and nothing after the reader is closed. */
class HeardLater implements FeedListener {
  #isClosed = false;

  constructor(
    private readonly line: Line,
    private readonly listener: FeedListener,
  ) {}

  closing(feed: Feed): Feed {
    return {
      pull: (request) => feed.pull(request),
      findEdit: () => feed.findEdit(),
      close: () => {
        this.#isClosed = true;
        feed.close();
      },
    };
  }

  delivered(event: Delivery): void {
    this.#tell(() => this.listener.delivered(event));
  }

  idle(delivered: number, through: number): void {
    this.#tell(() => this.listener.idle(delivered, through));
  }

  pullEnded(unused: number): void {
    this.#tell(() => this.listener.pullEnded(unused));
  }

  unheard(): void {
    this.#tell(() => this.listener.unheard());
  }

  lost(reason: string): void {
    this.#tell(() => this.listener.lost(reason));
  }

  #tell(call: () => void): void {
    this.line.hear(() => {
      if (!this.#isClosed) call();
    });
  }
}
