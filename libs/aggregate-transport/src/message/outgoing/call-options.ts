import { AggregateTransportError } from '../../errors.js';

/** By option: what it must be, and whether a value is that. */
export type CallOptionRules = Readonly<
  Record<string, { readonly expected: string; readonly is: (value: unknown) => boolean }>
>;

const MAX_SHOWN_NAME = 40;

/**
 * Checks what a caller passes beside an event. Otherwise a misspelt option, or a field of the event in the wrong place,
 * would be ignored in silence.
 * @throws EVENT_INVALID that names the option
 */
export function checkCallOptions(call: string, given: unknown, rules: CallOptionRules): void {
  if (typeof given !== 'object' || given === null)
    throw invalid(
      `expected the options of ${call} to be an object, found ${given === null ? 'null' : typeof given}; nothing was sent`,
    );
  for (const name in given) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    const value = (given as Record<string, unknown>)[name];
    if (rule === undefined) throw unknownOption(call, name, rules);
    if (value === undefined || rule.is(value)) continue;
    throw invalid(
      `expected options.${name} of ${call} to be ${rule.expected}, found ${shown(value)}; nothing was sent`,
    );
  }
}

function unknownOption(call: string, name: string, rules: CallOptionRules): AggregateTransportError {
  const found = name.slice(0, MAX_SHOWN_NAME).replaceAll(/[^!-~]/g, '?');
  const remedy =
    name === 'expectedSequence' || name === 'eventId'
      ? `${name} is a field of the event`
      : 'remove it or correct its name';
  return invalid(
    `expected one of the options ${Object.keys(rules).join(', ')} in ${call}, found "${found}"; nothing was sent: ${remedy}`,
  );
}

function shown(value: unknown): string {
  if (value === '') return 'an empty text';
  return value === null ? 'null' : `a value of type ${typeof value}`;
}

function invalid(text: string): AggregateTransportError {
  return new AggregateTransportError('EVENT_INVALID', text);
}
