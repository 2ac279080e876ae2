// Jest's default report, then the one line that machines read. In a part of the whole suite the results of each file go
// into the file that TEST_TALLY names, and run-tests.js prints the sum.
import { writeFileSync } from 'node:fs';
import { DefaultReporter } from '@jest/reporters';

export default class SummaryReporter extends DefaultReporter {
  onRunComplete(contexts, results) {
    super.onRunComplete?.(contexts, results);
    const { TEST_TALLY } = process.env;
    if (TEST_TALLY !== undefined) writeFileSync(TEST_TALLY, JSON.stringify(results.testResults.map(tallyOf)));
    else {
      const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
      process.stdout.write(`\n${results.numPassedTests} passed, ${failed} failed\n`);
    }
  }
}

/** A file that could not run counts as one failed test. */
function tallyOf({ testFilePath, displayName, numPassingTests, numFailingTests, testExecError }) {
  const failed = numFailingTests + (testExecError === undefined ? 0 : 1);
  return { path: testFilePath, project: displayName?.name ?? '', passed: numPassingTests, failed };
}
