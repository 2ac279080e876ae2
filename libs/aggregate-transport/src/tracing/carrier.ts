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

/** Takes what a propagator writes, if a header can carry it. The propagator is the application's. */
export const WRITE_HEADERS: CarrierSetter = {
  set: (carrier, name, value) => {
    const isHeader = NAME.test(name) && VALUE.test(value) && !name.toLowerCase().startsWith('nats-');
    if (isHeader) (carrier as Record<string, string>)[name] = value;
  },
};
