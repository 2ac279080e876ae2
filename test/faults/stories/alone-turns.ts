import { startNatsServer } from 'nestjs-aggregate-transport/testing';
import type { SabotagedRule } from '#library/sabotage.js';
import { findKiller } from '../parking/killer.js';
import { type StoryOptions, toldOf, type Told } from './tell.js';

/** Longer than the killer needs to end the process. */
const SLOW_MS = 700;

/**
 * One process owns two partitions. In one of them an event ends every process; in the other a slow one does nothing wrong.
 * Suspects run alone, one per process, or the slow one would be charged for the deaths of its neighbour.
 */
export async function tellAloneTurns({ serverVersion, sabotage }: StoryOptions): Promise<Told> {
  const server = await startNatsServer({ version: serverVersion, config: '' });
  try {
    const { findings } = await findKiller({
      ...{ server, topic: 'alone-turns', attempts: 1, innocents: 1, handlerMs: SLOW_MS },
      ...{ partitions: 2, processes: 1 },
      ...(sabotage === undefined ? {} : { sabotage: sabotage as SabotagedRule }),
    });
    const broken = findings.map((text) => ({ checker: 'poison-found' as const, text }));
    return toldOf(broken, server.version);
  } finally {
    await server.stop();
  }
}
