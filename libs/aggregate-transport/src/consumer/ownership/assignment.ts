/** What a replica sees of its group. Views of two replicas may differ for a while. */
export interface GroupView {
  /** The live replicas, each once, in any order. */
  readonly members: readonly string[];
  /** Per partition who holds its lease; undefined: it is free. An owner that is no member counts as none. */
  readonly owners: readonly (string | undefined)[];
}

/**
 * Which member should hold which partition; undefined everywhere without members. Pure, and the same for the same view
 * in any order of its members.
 *
 * - Even: two members differ by one partition at most.
 * - Sticky: no even assignment moves fewer partitions away from an owner that is a member.
 * - Steady: while owners release and others take, one partition after the other and in any order, the answer stays.
 *
 * Owners keep their lowest partitions. Those left over go, in order, to the members that have too few.
 */
export function assign({ members, owners }: GroupView): (string | undefined)[] {
  const order = [...new Set(members)].sort();
  const held = new Map<string, number>(order.map((member) => [member, 0]));
  for (const owner of owners) {
    const count = owner === undefined ? undefined : held.get(owner);
    if (owner !== undefined && count !== undefined) held.set(owner, count + 1);
  }
  const room = quotas(order, held, owners.length);
  const assigned = owners.map((owner) => (owner !== undefined && take(room, owner) ? owner : undefined));
  const takers = order.flatMap((member) => Array<string>(room.get(member) ?? 0).fill(member));
  let next = 0;
  return assigned.map((owner) => owner ?? takers[next++]);
}

/** How many partitions each member may hold: the extra ones go to members that hold one already, then by name. */
function quotas(
  order: readonly string[],
  held: ReadonlyMap<string, number>,
  partitions: number,
): Map<string, number> {
  const least = Math.floor(partitions / Math.max(1, order.length));
  const holdsMore = (member: string): boolean => (held.get(member) ?? 0) > least;
  const extra = order.filter(holdsMore).concat(order.filter((member) => !holdsMore(member)));
  const favoured = new Set(extra.slice(0, partitions - least * order.length));
  return new Map(order.map((member) => [member, least + (favoured.has(member) ? 1 : 0)]));
}

function take(room: Map<string, number>, member: string): boolean {
  const left = room.get(member) ?? 0;
  if (left === 0) return false;
  room.set(member, left - 1);
  return true;
}
