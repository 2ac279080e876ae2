import type { ClientModule } from './client-module.js';

/** Loads the package `@nats-io/transport-node`, when it is used. */
export const loadNatsIo = async (): Promise<ClientModule> => import('@nats-io/transport-node');
