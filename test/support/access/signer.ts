import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { nkeys } from '@nats-io/nats-core';

/** What stands before the 32 bytes of a private Ed25519 key in PKCS #8. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** Two bytes say what the seed is for, two are its checksum. */
const [SEED_FROM, SEED_TO] = [2, 34];

export type Kind = 'operator' | 'account' | 'user';

const MAKE = {
  operator: nkeys.createOperator,
  account: nkeys.createAccount,
  user: nkeys.createUser,
} as const;

/** An nkey that signs with Node's own Ed25519: that of the clients takes a second under load. */
export class Signer {
  readonly seed: string;
  readonly publicKey: string;
  readonly #key: KeyObject;

  constructor(kind: Kind) {
    const pair = MAKE[kind]();
    this.seed = new TextDecoder().decode(pair.getSeed());
    this.publicKey = pair.getPublicKey();
    const raw = base32(this.seed).subarray(SEED_FROM, SEED_TO);
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8, raw]), format: 'der', type: 'pkcs8' });
  }

  sign(text: string): Buffer {
    return sign(null, Buffer.from(text, 'utf8'), this.#key);
  }
}

function base32(text: string): Buffer {
  const bits = Array.from(text, (char) => ALPHABET.indexOf(char).toString(2).padStart(5, '0')).join('');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}
