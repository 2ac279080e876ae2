import type { Clock } from '../../clock.js';
import type { GroupPorts } from '../../operating/groups/group-ports.js';
import type { Terminal } from '../command/terminal.js';
import { Progress } from './progress.js';

export interface ChangeCommandOptions {
  readonly ports: (topic: string, group: string) => GroupPorts;
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Names this process; no other may use the same name. */
  readonly owner: string;
}

/** What the command line says of every change of a group. */
interface ChangedGroup {
  readonly topic: string;
  readonly group: string;
  readonly json: boolean;
  readonly waitMs: number;
}

/** The group as its operations know it, and what is told while they wait. */
export function changeWay({ ports, clock, owner, terminal }: ChangeCommandOptions, changed: ChangedGroup) {
  const { topic, group, json, waitMs } = changed;
  const way = { name: `topic "${topic}", group "${group}"`, ports: ports(topic, group), clock, owner };
  return { way, progress: new Progress({ topic, group, json, waitMs, terminal, clock }) };
}
