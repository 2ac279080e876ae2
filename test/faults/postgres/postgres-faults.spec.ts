import { expect, test } from '@jest/globals';
import { runFaultCommand } from '../harness/fault-command.js';
import { stepsInSource } from '../harness/steps-in-source.js';
import { LIBRARY_STEP, STEP_NAMES } from './steps.js';

test('every step that the library names is one that faults come to', () => {
  const named = STEP_NAMES.filter((step) => LIBRARY_STEP.test(step));
  const told = stepsInSource(LIBRARY_STEP, 'aggregate-transport-postgres');
  // A relay that has taken over is killed by a fault of its own; the process itself tells that its events are sent.
  expect([...told, 'relay: sent'].sort()).toEqual([...named, 'relay: taken over'].sort());
});

test('from row to row all is stored and applied once, in order, while processes and servers fail', async () => {
  const output = await runFaultCommand('--part', 'postgres', '--profile', 'short');
  expect(output).toMatch(/"runs":1,.*"stored-once":0,"stored-order":0,"rolled-back":0,"applied-once":0/);
}, 120_000);
