import { BaseRpcExceptionFilter } from '@nestjs/microservices';

interface ErrorLogger {
  error(error: unknown, ...rest: unknown[]): void;
}

/** The error that is on its way through a pipeline of ours at this moment. Pipelines of a process fail one by one. */
let passing: { readonly error: unknown } | undefined;
let isSilenced = false;

/** Nest asks its filters in the same turn, so the error has passed when the turn is over. */
export function notePassing(error: unknown): void {
  const noted = { error };
  passing = noted;
  queueMicrotask(() => {
    if (passing === noted) passing = undefined;
  });
}

/**
 * Keeps Nest's `RpcExceptionsHandler` from logging the errors of our handlers. It would log each failed attempt with a
 * stack and without its event, beside our own line, also if the retry succeeds. Handlers of other transports keep their
 * lines.
 *
 * Nest has no switch for it: the logger is a static field of its last filter. So the field is replaced, once, by a
 * logger that leaves our errors out. Without that field nothing is changed.
 */
export function silenceNestErrorLog(): void {
  const filter = BaseRpcExceptionFilter as unknown as { logger?: ErrorLogger };
  const { logger } = filter;
  if (isSilenced || typeof logger?.error !== 'function') return;
  isSilenced = true;
  filter.logger = Object.create(logger, {
    error: {
      value: (error: unknown, ...rest: unknown[]): void => {
        if (passing === undefined || passing.error !== error) logger.error(error, ...rest);
      },
    },
  }) as ErrorLogger;
}
