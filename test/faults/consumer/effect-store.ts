import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type EffectLine, type Handling, Journal } from '../harness/journal.js';
import type { EffectStoreSetup } from './scenario.js';

// The database behind the handlers: one writer, so its journal is the total order of all side effects. A frozen
// worker's write waits in the socket and is decided when it arrives, as with any database.

export interface EffectRequest extends Handling {
  readonly id: number;
  readonly worker: string;
}

export interface EffectAnswer {
  readonly id: number;
  readonly accepted: boolean;
}

const setup = JSON.parse(process.env['FAULT_EFFECTS'] ?? '{}') as EffectStoreSetup;
const journal = new Journal<EffectLine>(setup.journal);
const highest = new Map<number, number>();

function decide({ id, worker, ...handling }: EffectRequest): EffectAnswer {
  const { partition, epoch } = handling;
  const seen = highest.get(partition) ?? 0;
  const accepted = !setup.fenced || epoch >= seen;
  highest.set(partition, Math.max(seen, epoch));
  journal.write({ what: 'effect', ...handling, worker, accepted, highest: seen });
  return { id, accepted };
}

function serve(socket: Socket): void {
  // A worker that is killed resets its socket; the reader hands the error on, and must not be left without an ear.
  const end = (): void => void socket.destroy();
  socket.on('error', end);
  const reader = createInterface({ input: socket }).on('line', (line) => {
    const answer = decide(JSON.parse(line) as EffectRequest);
    if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`);
  });
  reader.on('error', end);
}

const server = createServer(serve).listen(setup.socket, () => process.send?.({ ready: true }));
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => server.close(() => process.exit(0)).unref());
