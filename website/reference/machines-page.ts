import { formatted, GENERATED, tableOf } from './markdown.js';
import { svgOf } from './machine-svg.js';
import { type Machine, machines } from './machines.js';

const FOLDER = 'docs/reference/machines';

const LEAD = `# State machines

${GENERATED}

Each class that has modes enters one through a single \`#enter(mode)\`. It asserts where that mode may come from, by a
table in the same file. The pictures are drawn from those tables; the mode that a machine starts in is filled. A way
from a mode to itself is told in the table alone.

Where each stands on an event's way: [how it works](../architecture.md).
`;

/** docs/reference/machines.md. */
export function machinesPage(): Promise<string> {
  return formatted([LEAD, ...machines().map(sectionOf)].join('\n'));
}

/** The pictures, by their paths. */
export function machinePictures(): [path: string, svg: string][] {
  return machines().map((machine) => [`${FOLDER}/${pictureOf(machine)}`, svgOf(machine)]);
}

function sectionOf(machine: Machine): string {
  const add = addOnOf(machine);
  const where = add === undefined ? '' : ` (${add.title})`;
  const rows = machine.modes.map(({ name, text, from }) => [
    `\`${name}\``,
    from.map((mode) => `\`${mode}\``).join(', '),
    text,
  ]);
  return [
    `## ${machine.name}${where}\n`,
    `[${machine.file}](../../${machine.file})\n`,
    `![Modes of ${machine.name}](machines/${pictureOf(machine)})\n`,
    `${tableOf(['mode', 'entered from', 'meaning'], rows)}\n`,
  ].join('\n');
}

/** The libraries that stand on the first one, by a part of their paths. */
const ADD_ONS = [
  { part: '-postgres/', title: 'outbox', prefix: 'postgres-' },
  { part: '-board/', title: 'board', prefix: 'board-' },
];

function addOnOf({ file }: Machine): (typeof ADD_ONS)[number] | undefined {
  return ADD_ONS.find(({ part }) => file.includes(part));
}

function pictureOf(machine: Machine): string {
  return `${addOnOf(machine)?.prefix ?? ''}${machine.name.replace(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase()}.svg`;
}
