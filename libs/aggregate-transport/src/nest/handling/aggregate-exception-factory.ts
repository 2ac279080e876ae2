import type { ValidationError } from '@nestjs/common';
import { AggregateTransportError } from '../../errors.js';
import { UnrecoverableError } from './unrecoverable.error.js';

const MAX_FAULTS = 20;

/**
 * For `new ValidationPipe({ exceptionFactory: aggregateExceptionFactory })`: the rejection then says which fields
 * of the payload broke which rules, by name and never with their values. The error the pipe makes by itself
 * loses that on its way through Nest when several events fail at once.
 *
 * Code of the error's `cause`: PAYLOAD_INVALID.
 */
export function aggregateExceptionFactory(errors: readonly ValidationError[]): UnrecoverableError {
  const faults = errors.flatMap((error) => faultsOf(error, ''));
  const shown = faults.slice(0, MAX_FAULTS).join('; ');
  const rest = faults.length > MAX_FAULTS ? `; and ${faults.length - MAX_FAULTS} more` : '';
  return new UnrecoverableError(
    new AggregateTransportError(
      'PAYLOAD_INVALID',
      `expected a payload that its class accepts, found: ${shown}${rest}; change the publisher, or the rules of the class`,
    ),
  );
}

function faultsOf({ property, constraints = {}, children = [] }: ValidationError, path: string): string[] {
  const here = `${path}${property}`;
  return [
    ...Object.values(constraints).map((text) => (path === '' ? text : `${here}: ${text}`)),
    ...children.flatMap((child) => faultsOf(child, `${here}.`)),
  ];
}
