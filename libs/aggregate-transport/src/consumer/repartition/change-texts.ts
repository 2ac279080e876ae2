import type { DeletedGroup, LayoutChange } from '../../records/group-record.js';

/** A change that is under way, as an error names it. Pure. */
export function nameChange({ to, start, deletes }: LayoutChange): string {
  if (deletes !== undefined) return 'its deletion';
  if (start === undefined) return `one to ${to} partitions`;
  return `a reset to sequence ${start.sequence + 1} with ${to} partitions`;
}

/** What becomes of a group's partitions, for the log. Pure. */
export function tellChange({ to, start, deletes }: LayoutChange): string {
  if (deletes !== undefined) return 'are deleted';
  return start === undefined ? `become ${to}` : `begin again as ${to}`;
}

/** What a replica says whose group is deleted. Pure. */
export function tellDeletion({ at }: DeletedGroup): { readonly why: string; readonly todo: string } {
  return {
    why: `the group was deleted at ${new Date(at).toISOString()}`,
    todo:
      'stop this service, or take its handlers out; a restart of it begins a new group of this name, as ' +
      'consume.startAt says',
  };
}
