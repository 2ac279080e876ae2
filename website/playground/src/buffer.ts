/** As much of Node's `Buffer` as the transport needs for text, in a browser. */
class BrowserBuffer extends Uint8Array {
  static override from(value: unknown, encoding?: unknown): BrowserBuffer {
    if (typeof value === 'string') return textOf(value, encoding);
    if (value instanceof ArrayBuffer) return new BrowserBuffer(value, encoding as number | undefined);
    return new BrowserBuffer(value as Uint8Array);
  }

  static alloc(size: number): BrowserBuffer {
    return new BrowserBuffer(size);
  }

  static isBuffer(value: unknown): boolean {
    return value instanceof BrowserBuffer;
  }

  static byteLength(text: string): number {
    return new TextEncoder().encode(text).length;
  }

  static concat(parts: readonly Uint8Array[]): BrowserBuffer {
    const whole = new BrowserBuffer(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  override toString(encoding = 'utf8', from = 0, to = this.length): string {
    const bytes = this.subarray(from, to);
    if (encoding === 'utf8') return new TextDecoder().decode(bytes);
    if (encoding === 'hex') return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const binary = [...bytes].map((byte) => String.fromCharCode(byte)).join('');
    if (encoding !== 'base64url') return binary;
    return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  }

  write(text: string, at: number): number {
    for (let index = 0; index < text.length; index++) this[at + index] = text.charCodeAt(index);
    return text.length;
  }
}

function textOf(text: string, encoding: unknown): BrowserBuffer {
  if (encoding === undefined || encoding === 'utf8') return new BrowserBuffer(new TextEncoder().encode(text));
  const binary = encoding === 'base64url' ? atob(text.replaceAll('-', '+').replaceAll('_', '/')) : text;
  return new BrowserBuffer(Array.from({ length: binary.length }, (_, at) => binary.charCodeAt(at)));
}

/** Gives the page what Node gives every file. Call before the transport is loaded. */
const globals = globalThis as Record<string, unknown>;
globals['Buffer'] ??= BrowserBuffer;
globals['setImmediate'] ??= immediately();

/** A turn of the event loop, without the pause that timers have. */
function immediately(): (callback: () => void) => void {
  const waiting: (() => void)[] = [];
  const { port1, port2 } = new MessageChannel();
  // A browser's port has this; the types here are Node's.
  (port1 as unknown as { onmessage: () => void }).onmessage = () => waiting.shift()?.();
  return (callback) => {
    waiting.push(callback);
    port2.postMessage(undefined);
  };
}
