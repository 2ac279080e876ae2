// The second door: what tests of a service may use. Nothing here is needed in production.
export { findPostgres, type FoundPostgres } from './testing/postgres/postgres-binaries.js';
export {
  PostgresServer,
  startPostgres,
  type StartPostgresOptions,
} from './testing/postgres/postgres-server.js';
