// The limits of tests and hooks end what hangs; they measure nothing. So a machine that is slow or busy has three times
// as long as is written in the file. What must be quick says so with `expect`, by a fair clock (fair-clock.ts).
import { TestEnvironment } from 'jest-environment-node';

const PATIENCE = 3;

export default class PatientEnvironment extends TestEnvironment {
  handleTestEvent({ name, test, hook }, { testTimeout }) {
    if (name !== 'test_start' && name !== 'hook_start') return;
    const limited = name === 'test_start' ? test : hook;
    // A hook may run before each test: once made longer, it stays so.
    if (this.#isMade.has(limited)) return;
    this.#isMade.add(limited);
    limited.timeout = PATIENCE * (limited.timeout || testTimeout);
  }

  #isMade = new WeakSet();
}
