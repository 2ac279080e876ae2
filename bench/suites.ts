import type { Suite } from './suite.js';
import { batch } from './suites/batch.js';
import { board } from './suites/board.js';
import { clients } from './suites/clients.js';
import { consume } from './suites/consume.js';
import { consumeCluster } from './suites/consume-cluster.js';
import { eventLoop } from './suites/event-loop.js';
import { fastLane } from './suites/fast-lane.js';
import { handlerStage } from './suites/handler-stage.js';
import { history } from './suites/history.js';
import { idle } from './suites/idle.js';
import { latency } from './suites/latency.js';
import { letters } from './suites/letters.js';
import { memory } from './suites/memory.js';
import { outbox } from './suites/outbox.js';
import { peers } from './suites/peers.js';
import { plan } from './suites/plan.js';
import { publish } from './suites/publish.js';
import { scaling } from './suites/scaling.js';
import { shapes } from './suites/shapes.js';
import { soak } from './suites/soak.js';
import { subjectDepth } from './suites/subject-depth.js';
import { takeover } from './suites/takeover.js';
import { tracing } from './suites/tracing.js';

/** In the order they run. */
export const SUITES: readonly Suite[] = [
  publish,
  consume,
  clients,
  consumeCluster,
  batch,
  latency,
  plan,
  memory,
  takeover,
  idle,
  scaling,
  eventLoop,
  peers,
  fastLane,
  subjectDepth,
  handlerStage,
  history,
  letters,
  shapes,
  tracing,
  outbox,
  board,
  soak,
];
