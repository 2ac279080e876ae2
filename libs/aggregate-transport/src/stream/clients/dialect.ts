import { describeError } from '../../errors.js';
import { type Denial, NatsFailure, type NatsFailureCode } from '../port/nats-failure.js';
import type { NatsClientName, PortStatus } from '../port/nats-port.js';

/** How one client says what happens. Both know errors by code or name, never by class. */
export interface Dialect {
  readonly client: NatsClientName;
  /** Of anything that the client throws, rejects with or calls back with. Never throws. */
  readonly failureOf: (error: unknown) => NatsFailure;
  /** Of what the client's `status()` gives; undefined for what this library does not follow. */
  readonly statusOf: (status: object) => PortStatus | undefined;
}

/** The members of an error that a dialect looks at. Nothing is believed about their types. */
export interface ErrorParts {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
}

/** Reads an error that may be anything: what a user's authenticator throws comes through the client. */
export function guarded(read: (error: unknown) => NatsFailure): Dialect['failureOf'] {
  return (error) => {
    try {
      return read(error);
    } catch {
      return new NatsFailure('OTHER', describeError(error), { cause: error });
    }
  };
}

/** The members of anything. */
export function partsOf(value: unknown): ErrorParts & Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** What a refused permission names; undefined where the server's text could not be read. */
export function denialOf(value: unknown): Denial | undefined {
  const { operation, subject } = partsOf(value);
  if (typeof operation !== 'string' || typeof subject !== 'string') return undefined;
  return { operation, subject };
}

/** The status of an error that the server reports. Pure. */
export function errorStatusOf(denial: Denial | undefined, description: string): PortStatus {
  return denial === undefined ? { kind: 'error', description } : { kind: 'denied', denial };
}

export type Codes = Readonly<Record<string, NatsFailureCode>>;
