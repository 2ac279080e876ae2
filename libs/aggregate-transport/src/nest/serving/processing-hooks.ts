import type { Server } from '@nestjs/microservices';
import { describeError, errorFields } from '../../errors.js';
import type { Log } from '../../log.js';
import { AGGREGATE_TRANSPORT } from '../tokens.js';
import type { AggregateContext } from '../handling/aggregate.context.js';

/** Nest's tools may wrap every message. Resolves or rejects as `run` does, or with what the tool threw before. */
export type ProcessingHooks = (context: AggregateContext, run: () => Promise<unknown>) => Promise<unknown>;

type StartHook = Parameters<Server['setOnProcessingStartHook']>[0];
/** As applications write it: what a hook answers is not nothing. */
type LooseHook = (transportId: symbol, context: AggregateContext, done: () => Promise<void>) => unknown;
type EndHook = (transportId: symbol, context: AggregateContext) => unknown;

/**
 * Calls the hooks that a tool has set at the server. A start hook that fails fails its attempt; one that asks for the
 * handler twice gets the same run twice. An end hook that fails is logged: the handler has ended by then.
 */
export function processingHooks(start: StartHook, end: () => EndHook | undefined, log: Log): ProcessingHooks {
  return (context, run) =>
    new Promise((resolve, reject) => {
      let ran: Promise<void> | undefined;
      const once = async (): Promise<void> => {
        try {
          resolve(await run());
        } catch (error) {
          reject(error);
        }
        try {
          const answer: unknown = end()?.(AGGREGATE_TRANSPORT, context);
          await answer;
        } catch (error) {
          log.write(
            'processing-hook-failed',
            errorFields(error),
            `a processing hook of the application failed after its handler: ${describeError(error)}`,
            error,
          );
        }
      };
      // It may be asynchronous, although its type says otherwise. Before the handler its failure is the attempt's.
      const failed = (error: unknown): void => {
        if (ran === undefined) reject(error);
        else {
          const text = `a processing hook of the application failed: ${describeError(error)}`;
          log.write('processing-hook-failed', errorFields(error), text, error);
        }
      };
      try {
        const answer = (start as LooseHook)(AGGREGATE_TRANSPORT, context, () => (ran ??= once()));
        Promise.resolve(answer).catch(failed);
      } catch (error) {
        failed(error);
      }
    });
}
