import { startNatsServer } from 'nestjs-aggregate-transport/testing';
import type { SabotagedRule } from '#library/sabotage.js';
import { findKiller, type KillerOptions } from '../parking/killer.js';
import { type StoryOptions, toldOf, type Told } from './tell.js';

/** Longer than the killer needs to end the process. */
const SLOW_MS = 700;

/**
 * One process owns two partitions. In one of them an event ends every process; in the other a slow one does nothing
 * wrong. Suspects run alone, one per process, or the slow one would be charged for the deaths of its neighbour.
 */
export function tellAloneTurns(options: StoryOptions): Promise<Told> {
  return hunt(options, {
    ...{ topic: 'alone-turns', innocents: 1, handlerMs: SLOW_MS, partitions: 2, processes: 1 },
  });
}

const SMALL_WINDOW = 20;

/**
 * All processes but the first may take in few events. The killer is not among the first few that are unsettled, but the
 * first process had started it: its successors must look that far.
 */
export function tellDistantKiller(options: StoryOptions): Promise<Told> {
  return hunt(options, {
    ...{ topic: 'distant-killer', innocents: 100, handlerMs: 100, processes: 1 },
    later: { maxAckPending: SMALL_WINDOW, batch: SMALL_WINDOW },
  });
}

async function hunt(
  { serverVersion, sabotage }: StoryOptions,
  options: Omit<KillerOptions, 'server' | 'attempts' | 'sabotage'>,
): Promise<Told> {
  const server = await startNatsServer({ version: serverVersion, config: '' });
  try {
    const { findings } = await findKiller({
      ...{ ...options, server, attempts: 1 },
      ...(sabotage === undefined ? {} : { sabotage: sabotage as SabotagedRule }),
    });
    const broken = findings.map((text) => ({ checker: 'poison-found' as const, text }));
    return toldOf(broken, server.version);
  } finally {
    await server.stop();
  }
}
