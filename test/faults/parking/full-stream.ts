import type { SabotagedRule } from '#library/sabotage.js';
import { eventually } from '../../support/eventually.js';
import { ParkingWorld, type ParkingWorldOptions } from './parking-world.js';

const CAUSE = 'stock';
const ILL = 'ill';
const WELL = ['well-0', 'well-1'];
const MAX_LETTERS = 3;
const MAX_ACK_PENDING = 40;
/** More than the partition can hold, even beside its letters. */
const TOO_MANY = MAX_LETTERS + MAX_ACK_PENDING + 10;
const STILL_FOR_MS = 1_000;
const SABOTAGED_WITHIN_MS = 15_000;

export interface FullStreamResult {
  readonly findings: readonly string[];
  /** Neighbours handled while the aggregate waited for room. */
  readonly besides: number;
  /** Neighbours handled while the partition was full. */
  readonly whileFull: number;
  /** What the owner said of it. */
  readonly said: readonly string[];
}

/** The parked stream has no room; the owner is killed meanwhile; then the cause is fixed and room is made. */
export async function fillParkedStream(
  server: ParkingWorldOptions['server'],
  topic: string,
  sabotage?: SabotagedRule,
): Promise<FullStreamResult> {
  const workers = { maxLetters: MAX_LETTERS, maxAckPending: MAX_ACK_PENDING, leaseTtlMs: 3_000 };
  const world = await ParkingWorld.open({ server, topic, workers });
  const wellHandled = (): number =>
    [...world.handled()].filter((event) => !event.startsWith(`${ILL} `)).length;
  try {
    world.crew.breakDown(CAUSE);
    const first = await world.crew.spawn({ sabotage });
    await first.holds();
    await world.publish(ILL, { cause: CAUSE });
    for (let n = 1; n < MAX_LETTERS; n++) await world.publish(ILL);
    const isFull = async (): Promise<boolean> => (await world.parkedState(ILL))?.letters === MAX_LETTERS;
    // An owner that settles before its letters are stored may lose some when its lease ends; then the checkers say so.
    await eventually('the parked stream to be full', isFull, sabotage && SABOTAGED_WITHIN_MS).catch(
      (error: unknown) => {
        if (sabotage === undefined) throw error;
      },
    );
    for (let n = 0; n < 5; n++) await world.publish(ILL);
    for (const key of WELL) await world.publish(key);
    await eventually('neighbours to continue', () => wellHandled() === WELL.length);
    const besides = wellHandled();
    for (let n = 0; n < TOO_MANY; n++) await world.publish(ILL);
    for (const key of WELL) await world.publish(key);
    const someGoOn = (): boolean => wellHandled() > besides;
    await eventually('a neighbour to overtake the full partition', someGoOn, STILL_FOR_MS).catch(
      () => undefined,
    );
    const whileFull = wellHandled() - besides;
    await first.kill();
    const second = await world.crew.spawn({ sabotage });
    await second.holds();
    world.crew.mend(CAUSE);
    await world.comesBack(ILL, sabotage !== undefined);
    const findings = await world.judge();
    const said = world.logs().filter((text) => text.includes('could not be stored'));
    if (findings.length === 0 || sabotage !== undefined) world.forget();
    return { findings, besides, whileFull, said };
  } finally {
    await world.close();
  }
}
