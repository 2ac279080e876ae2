import type { ComponentChildren } from 'preact';
import type { TroubleKind } from '../../src/source/board-source.js';
import { KIND_WORDS } from '../advice.js';
import { countOf, rateOf, shortOwner, spanOf, timeOf, visible } from '../format.js';

/** Text of others: an id, a name, an error. It is isolated, so that its direction changes nothing around it. */
export function Foreign({ text }: { readonly text: string }) {
  return <bdi class="foreign">{visible(text)}</bdi>;
}

/** What an event carries, closed until an operator opens it; nothing where payloads are not shown. */
export function Payload({ text }: { readonly text: string | undefined }) {
  if (text === undefined) return null;
  return (
    <details>
      <summary>Payload</summary>
      <pre class="payload">
        <bdi>{text}</bdi>
      </pre>
    </details>
  );
}

export function Unknown({ why = 'No process of the group answered' }: { readonly why?: string }) {
  return (
    <span class="unknown" title={why}>
      unknown
    </span>
  );
}

export function Count({ value }: { readonly value: number | undefined }) {
  return value === undefined ? <Unknown /> : <span class="number">{countOf(value)}</span>;
}

export function Rate({ value }: { readonly value: number | undefined }) {
  return value === undefined ? <Unknown /> : <span class="number">{rateOf(value)}/s</span>;
}

export function Span({ ms, none }: { readonly ms: number | undefined; readonly none?: string }) {
  if (ms === undefined) return none === undefined ? <Unknown /> : <span class="quiet">{none}</span>;
  return <span class="number">{spanOf(ms)}</span>;
}

export function Time({ at }: { readonly at: number }) {
  return <time dateTime={new Date(at).toISOString()}>{timeOf(at)}</time>;
}

export function Owner({
  owner,
  none = 'no owner',
}: {
  readonly owner: string | undefined;
  readonly none?: string;
}) {
  if (owner === undefined) return <span class="quiet">{none}</span>;
  return (
    <bdi class="mono" title={visible(owner)}>
      {shortOwner(owner)}
    </bdi>
  );
}

export function Kind({ kind }: { readonly kind: TroubleKind }) {
  return <span class={`kind kind-${kind}`}>{KIND_WORDS[kind]}</span>;
}

/** Says that there is nothing, or what to do. */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children === undefined ? null : <p>{children}</p>}
    </div>
  );
}

export function Notes({ notes }: { readonly notes: readonly string[] }) {
  return (
    <>
      {notes.map((note) => (
        <p class="note" key={note}>
          Something is missing here: <Foreign text={note} />
        </p>
      ))}
    </>
  );
}
