import type { Finding } from '../../src/source/board-source.js';
import { spanOf } from '../format.js';
import { groupHref } from '../route.js';
import { Foreign } from './words.js';

/** What health finds wrong, each with what to do. */
export function Findings({
  findings,
  isOfGroup = false,
}: {
  readonly findings: readonly Finding[];
  readonly isOfGroup?: boolean;
}) {
  if (findings.length === 0) return null;
  return (
    <section aria-labelledby="findings">
      <h2 id="findings">What health says</h2>
      <ul class="findings">
        {findings.map((one) => (
          <li key={`${one.topic ?? ''} ${one.group ?? ''} ${one.partition ?? ''} ${one.code} ${one.why}`}>
            <div class="finding-head">
              <code>{one.code}</code>
              {isOfGroup ? null : <Where finding={one} />}
              {one.partition === undefined ? null : <span class="quiet">partition {one.partition}</span>}
              <span class="quiet">for {spanOf(one.forMs)}</span>
            </div>
            <p>
              <Foreign text={one.why} />
            </p>
            <p class="do">
              <b>Do:</b> {one.do}
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Where({ finding: { topic, group } }: { readonly finding: Finding }) {
  if (topic === undefined) return null;
  if (group === undefined)
    return (
      <span>
        topic <Foreign text={topic} />
      </span>
    );
  return (
    <a href={groupHref({ topic, group })}>
      <Foreign text={group} /> on <Foreign text={topic} />
    </a>
  );
}
