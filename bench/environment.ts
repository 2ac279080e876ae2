import { execFileSync } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';

/** What the figures depend on besides the code. */
export interface Environment {
  readonly commit: string;
  readonly date: string;
  readonly node: string;
  readonly natsServer: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Load of the machine just before: above 0.5 other processes were at work, and only ratios mean anything. */
  readonly load: number;
}

export function environment(natsServer: string): Environment {
  return {
    commit: commit(),
    date: new Date().toISOString(),
    node: process.version,
    natsServer,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const changed = git('status', '--porcelain', '--', 'libs', 'bench', ':!bench/results') !== '';
    return git('rev-parse', '--short', 'HEAD') + (changed ? ' and changes' : '');
  } catch {
    return 'unknown';
  }
}
