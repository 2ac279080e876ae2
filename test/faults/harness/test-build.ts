/** Makes Node load the switches in place of the constant "no" of the published library. */
const SABOTAGE_CONDITION = '--conditions=aggregate-transport-sabotage';
/** Names the rule that a test build switches off; see `testing/sabotage.ts` in the library. */
export const SABOTAGE_VARIABLE = 'AGGREGATE_TRANSPORT_SABOTAGE';
/** Names the step at which a test build stops: `kill:<step>#<n>` or `freeze:<step>#<n>`. */
const STOP_VARIABLE = 'AGGREGATE_TRANSPORT_STOP_AT';

export interface TestBuildOptions {
  readonly sabotage?: string | undefined;
  readonly stopAt?: string | undefined;
}

/** What makes a child process a test build, if it has to be one. */
export function testBuild({ sabotage, stopAt }: TestBuildOptions): {
  env: Record<string, string>;
  execArgv: string[];
} {
  const isTestBuild = sabotage !== undefined || stopAt !== undefined;
  return {
    env: { [SABOTAGE_VARIABLE]: sabotage ?? '', [STOP_VARIABLE]: stopAt ?? '' },
    execArgv: isTestBuild ? [SABOTAGE_CONDITION] : [],
  };
}
