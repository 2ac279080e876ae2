import type { ClientModule } from './client-module.js';

/** Loads the package `nats`, when it is used. */
export const loadNats = async (): Promise<ClientModule> => import('nats');
