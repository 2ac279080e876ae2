export { between, drawn, randomFor, randomOf, shuffled } from '#library/verifying/harness/random.js';
