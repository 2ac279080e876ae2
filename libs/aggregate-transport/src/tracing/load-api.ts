import { AggregateTransportError } from '../errors.js';
import type { OpenTelemetryApi } from './api.js';

const PACKAGE = '@opentelemetry/api';

/**
 * Loads the optional peer `@opentelemetry/api`. The only place that does, and called only if there is a tracer.
 * @throws OPTIONS_INVALID if it is not installed
 */
export async function loadOpenTelemetry(): Promise<OpenTelemetryApi> {
  try {
    const { ROOT_CONTEXT, context, trace, propagation, createContextKey } =
      await import('@opentelemetry/api');
    return { ROOT_CONTEXT, context, trace, propagation, createContextKey };
  } catch (cause) {
    throw new AggregateTransportError(
      'OPTIONS_INVALID',
      `expected ${PACKAGE} to be installed because option tracing is set, found that it cannot be loaded; ` +
        `run npm install ${PACKAGE}, or leave the option out`,
      { cause },
    );
  }
}
