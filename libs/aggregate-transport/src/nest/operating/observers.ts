import { AggregateHealthIndicator } from './aggregate-health.indicator.js';
import { AggregateTransportStatus } from './aggregate-transport-status.js';
import { ObservedApp } from './observed-app.js';

/** What both modules, the real one and that for tests, provide to look at the transport. */
export const OBSERVERS = [ObservedApp, AggregateTransportStatus, AggregateHealthIndicator];
