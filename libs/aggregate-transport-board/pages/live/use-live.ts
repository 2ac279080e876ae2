import { useEffect, useState } from 'preact/hooks';
import type { CommandNow } from '../../src/commands/running-commands.js';
import type { Failure } from '../../src/failure.js';
import { BASE } from '../settings.js';

/** A view as it comes in, and how well that works. */
export interface Live<T> {
  /** The newest one; undefined before the first. It stays while the server is away. */
  readonly view: T | undefined;
  /** False while it answers an older question of the same place, which shows other rows. */
  readonly isAnswer: boolean;
  /** When it came, by this browser's clock. */
  readonly at: number;
  /** Why the newest reading failed; undefined if it did not. */
  readonly trouble: Failure | undefined;
  /** False while the board itself does not answer. */
  readonly isOpen: boolean;
  readonly commands: readonly CommandNow[];
}

const NOTHING: Live<never> = {
  view: undefined,
  isAnswer: false,
  at: 0,
  trouble: undefined,
  isOpen: true,
  commands: [],
};
const AGAIN_MS = 2_000;

interface Asked {
  readonly query: string | undefined;
  readonly place: string;
}

/**
 * Listens to a view for as long as the query stays the same, and connects again by itself. The view of the same place
 * stays until the next one is there, so the page keeps its focus and what was typed and opened.
 */
export function useLive<T>(query: string | undefined, place: string): Live<T> {
  const [live, setLive] = useState<Live<T> & Asked>({ ...NOTHING, query, place });
  useEffect(() => {
    if (query === undefined) return undefined;
    return listen<T>(query, (change) =>
      setLive((known) => ({ ...asSeenFrom({ query, place }, known), ...change, query, place })),
    );
  }, [query, place]);
  return asSeenFrom({ query, place }, live);
}

/** A page never shows what belongs to another one. Pure. */
function asSeenFrom<T>({ query, place }: Asked, live: Live<T> & Asked): Live<T> {
  if (live.query === query) return live;
  if (live.place === place) return { ...live, isAnswer: false, trouble: undefined };
  return { ...NOTHING, commands: live.commands };
}

function listen<T>(query: string, change: (live: Partial<Live<T>>) => void): () => void {
  let source: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    const opened = new EventSource(`${BASE}live${query}`);
    source = opened;
    opened.addEventListener('open', () => change({ isOpen: true }));
    on(opened, 'view', (view) =>
      change({ view: view as T, isAnswer: true, at: Date.now(), trouble: undefined, isOpen: true }),
    );
    on(opened, 'trouble', (trouble) => change({ trouble: trouble as Failure }));
    on(opened, 'commands', (commands) => change({ commands: commands as readonly CommandNow[] }));
    opened.addEventListener('error', () => {
      // A refusal ends the source for good, so another one is made.
      opened.close();
      change({ isOpen: false });
      again = setTimeout(open, AGAIN_MS);
    });
  };
  open();
  return () => {
    source?.close();
    clearTimeout(again);
  };
}

function on(source: EventSource, name: string, heard: (value: unknown) => void): void {
  source.addEventListener(name, (event) => heard(JSON.parse((event as MessageEvent<string>).data)));
}
