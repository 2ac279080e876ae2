/**
 * What the log says when attempts are used up or cannot help, with the default of `consume.onExhausted`. The one
 * place to change when the default changes.
 */
export const EXHAUSTED = 'its aggregate is parked';
