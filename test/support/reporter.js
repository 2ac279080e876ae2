// Jest's default report, then the one line that machines read. In a part of the whole suite the numbers go into the
// file that TEST_TALLY names, and run-tests.js prints the sum.
import { writeFileSync } from 'node:fs';
import { DefaultReporter } from '@jest/reporters';

export default class SummaryReporter extends DefaultReporter {
  onRunComplete(contexts, results) {
    super.onRunComplete?.(contexts, results);
    const passed = results.numPassedTests;
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const { TEST_TALLY } = process.env;
    if (TEST_TALLY === undefined) process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
    else writeFileSync(TEST_TALLY, JSON.stringify({ passed, failed }));
  }
}
