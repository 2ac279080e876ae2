import { isSabotaged } from '#sabotage';
import { type Clock, delay } from '../clock.js';
import { AggregateTransportError } from '../errors.js';
import type { ConsumerPort, ConsumerState } from '../message/ports.js';

/** Up to this many sequences are asked for one by one; beyond it, all unsettled ones are made to expire at once. */
const MAX_NAKS = 20_000;
const WAIT_FOR_PULLS_MS = 15_000;
const LOOK_EVERY_MS = 20;

export interface TakeoverOptions {
  readonly port: ConsumerPort;
  readonly clock: Clock;
  /** Calls back with every sequence of `first..last` that is not handled here, or whose ack is not confirmed. */
  readonly unsettled: (first: number, last: number, callback: (sequence: number) => void) => void;
  /**
   * Ask for settled sequences too, because the server may have forgotten that they are: it was killed, or put back to
   * an earlier state. The fence would wait for them in vain otherwise. Those it remembers it ignores.
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
 * 2. Ask for every sequence between the ack floor and the last delivered one that is not settled here: those in
 *    flight, so that the fence can count them, and those whose acks got lost. What is handled already is
 *    known when it comes again, and acked behind the fence, in its aggregate's order and one at a time.
 * 3. Wait until the server has worked through all that, and look again: if anything was delivered
 *    meanwhile, somebody else pulls; start over.
 *
 * Resolves with the state whose `ackPending` events are now on their way, in any order.
 */
export async function takeOver(options: TakeoverOptions): Promise<ConsumerState> {
  const { port, signal } = options;
  for (;;) {
    const before = await stateWithoutPulls(options);
    if (isSabotaged('no-takeover')) return { ...before, ackPending: 0 };
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

async function askAgain({ port, unsettled, thorough }: TakeoverOptions, state: ConsumerState): Promise<void> {
  if (state.ackPending === 0) return;
  if (state.delivered - state.ackFloor > MAX_NAKS) {
    await port.expireAll();
    return;
  }
  const ask = (sequence: number): void => port.nak(sequence, state.deliveredConsumerSequence);
  if (thorough)
    for (let sequence = state.ackFloor + 1; sequence <= state.delivered; sequence++) ask(sequence);
  else unsettled(state.ackFloor + 1, state.delivered, ask);
  await port.barrier(state);
}
