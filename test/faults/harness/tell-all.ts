/** What came of one story. */
export interface ToldStory {
  readonly findings: readonly string[];
  /** Where its journals are. */
  readonly folder: string;
  /** The process came to its step. */
  readonly stopped: boolean;
}

const SHOWN_FINDINGS = 10;

/**
 * Tells stories, so many at once, and prints a line for each; true if every process was stopped and nothing was found.
 */
export async function tellAll<S extends object>(
  stories: readonly S[],
  atOnce: number,
  tell: (story: S) => Promise<ToldStory>,
): Promise<boolean> {
  const waiting = [...stories];
  let isGood = true;
  const work = async (): Promise<void> => {
    for (let story = waiting.shift(); story !== undefined; story = waiting.shift()) {
      try {
        const { findings, folder, ...told } = await tell(story);
        const where = findings.length === 0 ? {} : { folder };
        for (const text of findings.slice(0, SHOWN_FINDINGS)) console.log(`  ${text}`);
        console.log(JSON.stringify({ ...story, ...told, findings: findings.length, ...where }));
        isGood = isGood && findings.length === 0 && told.stopped;
      } catch (error) {
        console.log(`${JSON.stringify(story)} ${String(error)}`);
        isGood = false;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return isGood;
}
