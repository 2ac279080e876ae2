export { loopFaults } from '#library/verifying/harness/fault-loop.js';
