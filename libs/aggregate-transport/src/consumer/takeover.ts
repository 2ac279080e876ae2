import { isSabotaged } from '#sabotage';
import { type Clock, delay } from '../clock.js';
import { AggregateTransportError } from '../errors.js';
import type { ConsumerPort, ConsumerState } from '../message/ports.js';

/** Up to this many sequences are asked for one by one; beyond it, all unsettled ones are made to expire at once. */
const MAX_NAKS = 20_000;
const WAIT_FOR_PULLS_MS = 15_000;
const CONFIRM_WITHIN_MS = 2_000;
const RESEND_ACKS_EVERY_MS = 400;
const LOOK_EVERY_MS = 20;

/** The process's own memory, as far as a takeover needs it. */
export interface TakeoverMemory {
  /** Sequences whose acks are unconfirmed and, if it may have forgotten some, those confirmed a moment ago; ascending. */
  toRepeat(mayHaveForgotten: boolean): number[];
  /** The server has confirmed these. */
  repeated(sequences: readonly number[]): void;
  /** Calls back with every sequence of `first..last` that is not handled here, or whose ack is not confirmed. */
  unsettled(first: number, last: number, callback: (sequence: number) => void): void;
}

export interface TakeoverOptions {
  readonly port: ConsumerPort;
  readonly memory: TakeoverMemory;
  readonly clock: Clock;
  /** Which of the given sequences the server has confirmed since the takeover began. */
  readonly confirmed: ReadonlySet<number>;
  /** The server may have been killed since it confirmed the last acks. */
  readonly mayHaveForgotten: boolean;
  /**
   * Ask for handled sequences too. The second try of a takeover does: a server that was restored to an
   * earlier state holds them as unsettled, and the fence would wait for them in vain.
   */
  readonly thorough: boolean;
  /** Ends the takeover between two steps: the connection went away again, or the consumer stops. */
  readonly signal: AbortSignal;
}

/**
 * Brings the server to a known state before anything new is handled. Why it is needed: the server
 * delivers new events before the unsettled ones of a process or connection that went away
 * (all versions), so whoever just pulls on lets events overtake.
 *
 * 1. Wait until no pull is open: a pull of somebody who is gone swallows redeliveries.
 * 2. Send again the acks the server may not have, ascending, and wait until it has them: an ack that
 *    got lost, followed by one that did not, would make a hole that is replayed too late.
 * 3. Ask for every sequence between the ack floor and the last delivered one that is not handled here,
 *    those in flight included, so that the fence can count them.
 * 4. Wait until the server has worked through all that, and look again: if anything was delivered
 *    meanwhile, somebody else pulls; start over.
 *
 * Resolves with the state whose `ackPending` events are now on their way, in any order.
 */
export async function takeOver(options: TakeoverOptions): Promise<ConsumerState> {
  const { port, signal } = options;
  for (;;) {
    const before = await stateWithoutPulls(options);
    if (isSabotaged('no-takeover')) return { ...before, ackPending: 0 };
    await repeatAcks(options, before);
    await askAgain(options, before);
    signal.throwIfAborted();
    const after = await port.state();
    signal.throwIfAborted();
    const untouched = after.deliveredConsumerSequence === before.deliveredConsumerSequence;
    if (untouched && after.waitingPulls === 0) return after;
  }
}

async function stateWithoutPulls({ port, clock, signal }: TakeoverOptions): Promise<ConsumerState> {
  const until = clock.now() + WAIT_FOR_PULLS_MS;
  for (;;) {
    signal.throwIfAborted();
    const state = await port.state();
    signal.throwIfAborted();
    if (state.waitingPulls === 0) return state;
    if (clock.now() > until) {
      throw new AggregateTransportError(
        'JETSTREAM_REQUEST_FAILED',
        `expected no open pull on the consumer, found ${state.waitingPulls} for ${WAIT_FOR_PULLS_MS} ms; ` +
          'another process pulls from it: stop that one (one process per group and partition)',
      );
    }
    await delay(clock, LOOK_EVERY_MS);
  }
}

async function repeatAcks(options: TakeoverOptions, state: ConsumerState): Promise<void> {
  const { port, memory, clock, confirmed, mayHaveForgotten, signal } = options;
  // A killed server may come back with fewer deliveries than it made, and drops acks beyond them without an
  // answer. Those events are delivered again, and their acks leave then.
  const all = memory.toRepeat(mayHaveForgotten).filter((sequence) => sequence <= state.delivered);
  let waiting = all.filter((sequence) => sequence > state.ackFloor);
  const until = clock.now() + CONFIRM_WITHIN_MS;
  let sendAt = 0;
  while (waiting.length > 0) {
    if (clock.now() >= sendAt) {
      for (const sequence of waiting) port.ackSequence(sequence, state.deliveredConsumerSequence);
      sendAt = clock.now() + RESEND_ACKS_EVERY_MS;
    }
    await port.barrier(state);
    signal.throwIfAborted();
    waiting = waiting.filter((sequence) => !confirmed.has(sequence));
    if (waiting.length > 0 && clock.now() > until) {
      throw new AggregateTransportError(
        'JETSTREAM_REQUEST_FAILED',
        `expected the server to confirm ${all.length} repeated acks within ${CONFIRM_WITHIN_MS} ms, ` +
          `found ${waiting.length} unconfirmed; the takeover starts over`,
      );
    }
  }
  memory.repeated(all);
}

async function askAgain({ port, memory, thorough }: TakeoverOptions, state: ConsumerState): Promise<void> {
  if (state.ackPending === 0) return;
  if (state.delivered - state.ackFloor > MAX_NAKS) {
    await port.expireAll();
    return;
  }
  const ask = (sequence: number): void => port.nak(sequence, state.deliveredConsumerSequence);
  if (thorough)
    for (let sequence = state.ackFloor + 1; sequence <= state.delivered; sequence++) ask(sequence);
  else memory.unsettled(state.ackFloor + 1, state.delivered, ask);
  await port.barrier(state);
}
