import { resolve } from 'node:path';
import { Child as ChildProcess, type ChildOptions } from '#library/verifying/harness/child-process.js';

/** A process of ours that runs a built file of this folder. It dies with this process, at the latest. */
export class Child extends ChildProcess {
  constructor(file: string, { env, execArgv = [], ...options }: ChildOptions) {
    // Built code, also under Jest: a process of its own knows no ts-jest.
    super(resolve('dist/test/faults', file), {
      ...options,
      execArgv,
      env: { NODE_OPTIONS: '', NO_COLOR: '1', ...env },
    });
  }
}
