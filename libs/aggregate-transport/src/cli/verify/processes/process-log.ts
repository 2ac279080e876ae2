import type { LoggerService } from '@nestjs/common';

function write(level: string): (message: unknown) => void {
  return (message) => void process.stderr.write(`${new Date().toISOString()} ${level} ${String(message)}\n`);
}

/** What the library and Nest say goes into the process's own file, which `--keep` keeps. */
export const processLog: LoggerService = {
  log: write('info'),
  warn: write('warn'),
  error: write('error'),
};
