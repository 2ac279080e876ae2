// The second door: what tests of a service may use. Nothing here is needed in production.
export { AggregateTransportTestingModule } from './testing/aggregate-transport-testing.module.js';
export { ManualClock } from './testing/memory/manual-clock.js';
export { findNatsServer } from './testing/nats/nats-binary.js';
export { type NatsCluster, startNatsCluster } from './testing/nats/nats-cluster.js';
export { NatsServer, startNatsServer, type StartNatsServerOptions } from './testing/nats/nats-server.js';
export { JUDGED, type JudgedPromise, type OrderFinding } from './judging/finding.js';
export { type HistoryVerdict, judgeHistory } from './judging/judge-history.js';
export { OrderOracle, type OracleVerdict } from './judging/order-oracle.js';
export type {
  Disturbance,
  HandlerRun,
  PublishedNumber,
  RunHistory,
  StoredNumber,
} from './judging/run-history.js';
export {
  TestingStreams,
  type UntilHandledOptions,
  type UntilOptions,
} from './testing/memory/testing-streams.js';
