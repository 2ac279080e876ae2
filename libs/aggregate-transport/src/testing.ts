// The second door: what tests of a service may use. Nothing here is needed in production.
export { AggregateTransportTestingModule } from './testing/aggregate-transport-testing.module.js';
export { ManualClock } from './testing/manual-clock.js';
export { findNatsServer } from './testing/nats-binary.js';
export { type NatsCluster, startNatsCluster } from './testing/nats-cluster.js';
export { NatsServer, startNatsServer, type StartNatsServerOptions } from './testing/nats-server.js';
export { OrderOracle, type OracleVerdict } from './testing/order-oracle.js';
export { TestingStreams } from './testing/testing-streams.js';
