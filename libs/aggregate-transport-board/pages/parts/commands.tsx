import { useState } from 'preact/hooks';
import type { CommandNow } from '../../src/commands/running-commands.js';
import { Foreign } from './words.js';

const STATE_WORDS = { running: 'running', done: 'done', failed: 'not done' } as const;

/** Commands that run or have just ended, of all who look at the board. */
export function Commands({ commands }: { readonly commands: readonly CommandNow[] }) {
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const shown = commands.filter(({ id }) => !hidden.has(id)).slice(-4);
  return (
    <div class="commands" role="status" aria-label="Commands">
      {shown.map(({ id, words, state, text }) => (
        <div class={`command command-${state}`} key={id}>
          <div>
            <b>{STATE_WORDS[state]}</b> <Foreign text={words} />
            <p>
              <Foreign text={text} />
            </p>
          </div>
          <button
            type="button"
            class="plain"
            aria-label="Hide"
            onClick={() => setHidden(new Set([...hidden, id]))}
          >
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
