import type { ProxyTarget } from '../../verifying/harness/tcp-proxy.js';
import { UsageError } from '../command/terminal.js';

const DEFAULT_PORT = 4_222;
const SCHEMES = ['nats:', 'tls:'];

/**
 * Where the proxies of a run lead: host and port of each address, which has no credentials any more. Pure.
 * @throws UsageError for an address that is none, or one of a WebSocket
 */
export function proxiedServers(addresses: readonly string[]): ProxyTarget[] {
  return addresses.map((address) => {
    const url = parsed(address.includes('://') ? address : `nats://${address}`);
    if (url === undefined || !SCHEMES.includes(url.protocol) || url.hostname === '')
      throw new UsageError(
        `expected addresses such as nats://host:4222 or tls://host:4222 to put a proxy before, found "${address}"`,
      );
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    return { host, port: url.port === '' ? DEFAULT_PORT : Number(url.port) };
  });
}

function parsed(address: string): URL | undefined {
  try {
    return new URL(address);
  } catch {
    return undefined;
  }
}
