import type { CarrierGetter, CarrierSetter } from './api.js';

export type Headers = Readonly<Record<string, string>>;

/** A header by its name in any case: other clients write `Traceparent`. */
export function headerIn(headers: Headers, name: string): string | undefined {
  const exact = headers[name];
  if (typeof exact === 'string') return exact;
  for (const other in headers)
    if (other.length === name.length && other.toLowerCase() === name) return headers[other];
  return undefined;
}

/** Reads an event's headers for a propagator. */
export const READ_HEADERS: CarrierGetter = {
  keys: (carrier) => Object.keys(carrier as Headers),
  get: (carrier, name) => headerIn(carrier as Headers, name),
};

const NAME = /^[!-9;-~]+$/;
const VALUE = /^[ -~]*$/;
/** What a propagator of the W3C writes into nearly every event: its name needs no check. */
const TRACEPARENT = 'traceparent';

function isName(name: string): boolean {
  return NAME.test(name) && !name.toLowerCase().startsWith('nats-');
}

/** Takes what a propagator writes, if a header can carry it. The propagator is the application's. */
export const WRITE_HEADERS: CarrierSetter = {
  set: (carrier, name, value) => {
    if (VALUE.test(value) && (name === TRACEPARENT || isName(name)))
      (carrier as Record<string, string>)[name] = value;
  },
};
