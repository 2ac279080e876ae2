import { createServer } from 'node:net';

/** A port of 127.0.0.1 that was free a moment ago. Another process can take it before it is used. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const holder = createServer();
    holder.once('error', reject);
    holder.listen(0, '127.0.0.1', () => {
      const address = holder.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      holder.close(() => resolve(port));
    });
  });
}
