import { randomInt } from 'node:crypto';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const LENGTH = 22;

/** A name that no other process and no other call makes: 22 letters and digits, which fit in a subject. */
export function uniqueName(): string {
  let name = '';
  for (let at = 0; at < LENGTH; at++) name += DIGITS.charAt(randomInt(DIGITS.length));
  return name;
}
