import type { Suite } from './suite.js';
import { consume } from './suites/consume.js';
import { eventLoop } from './suites/event-loop.js';
import { latency } from './suites/latency.js';
import { plan } from './suites/plan.js';
import { publish } from './suites/publish.js';

/** In the order they run. */
export const SUITES: readonly Suite[] = [publish, consume, latency, plan, eventLoop];
