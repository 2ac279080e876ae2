// In the browser's bundle this stands for `node:crypto`. Random ids only: nothing here is a secret.

export function randomBytes(size: number): Uint8Array {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at++) bytes[at] = Math.floor(Math.random() * 256);
  return bytes;
}

export function randomInt(below: number): number {
  return Math.floor(Math.random() * below);
}

export function createHash(): never {
  throw new Error('expected no handler of the playground to publish');
}
