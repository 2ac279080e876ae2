export { type Direction, TcpProxy, type WireObserver } from '#library/verifying/harness/tcp-proxy.js';
