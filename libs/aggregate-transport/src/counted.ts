/** A number with its noun: `1 replica`, `2 replicas`. For nouns whose plural adds an s. Pure. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
