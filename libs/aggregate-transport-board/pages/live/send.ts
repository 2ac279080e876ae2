import type { BoardCommand } from '../../src/commands/board-command.js';
import type { Failure } from '../../src/failure.js';
import type { FoundAggregate } from '../../src/source/board-source.js';
import { queryOf } from '../route.js';
import { BASE, CSRF } from '../settings.js';

/** Asks for a command. Resolves with why it was refused; undefined if it was taken. */
export async function send(command: BoardCommand): Promise<Failure | undefined> {
  const headers = { 'content-type': 'application/json', 'x-aggregate-board-csrf': CSRF };
  return failureOf(() => fetch(`${BASE}command`, { method: 'POST', headers, body: JSON.stringify(command) }));
}

/** Aggregates by a part of their ids, or why they could not be looked for. */
export async function find(text: string): Promise<readonly FoundAggregate[] | Failure> {
  let found: readonly FoundAggregate[] = [];
  const failure = await failureOf(async () => {
    const response = await fetch(`${BASE}find${queryOf({ text })}`);
    if (response.ok) found = (await response.clone().json()) as readonly FoundAggregate[];
    return response;
  });
  return failure ?? found;
}

async function failureOf(ask: () => Promise<Response>): Promise<Failure | undefined> {
  try {
    const response = await ask();
    return response.ok ? undefined : ((await response.json()) as Failure);
  } catch {
    return { code: 'away', text: 'The board did not answer. See that its process runs, then try again.' };
  }
}
