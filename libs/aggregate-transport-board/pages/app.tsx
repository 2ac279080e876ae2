import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { AggregateView, GroupView, Overview } from '../src/source/board-source.js';
import { spanOf, visible } from './format.js';
import { useField } from './live/use-field.js';
import { type Live, useLive } from './live/use-live.js';
import { Commands } from './parts/commands.js';
import { Empty, Foreign } from './parts/words.js';
import { hrefOf, liveQuery, placeOf, type Route, routeOf } from './route.js';
import { SETTINGS } from './settings.js';
import { AggregatePage } from './views/aggregate.js';
import { FindPage } from './views/find.js';
import { GroupPage } from './views/group.js';
import { OverviewPage } from './views/overview.js';

/** Something older than this is no longer called live. */
const OLD_MS = 15_000;

/** The frame of every page: search, how live it is, the page, and commands under way. */
export function App() {
  const route = useRoute();
  const live = useLive<Overview | GroupView | AggregateView>(liveQuery(route), placeOf(route));
  useKeys();
  useTitle(route);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the page
      </a>
      <header class="bar">
        <a class="home" href="#/">
          <span class="mark" aria-hidden="true" />
          Aggregate board
        </a>
        <Search initial={route.page === 'find' ? route.text : ''} />
        <Pulse live={live} isLive={liveQuery(route) !== undefined} />
      </header>
      <Away live={live} />
      <main id="main" tabIndex={-1}>
        <Page route={route} live={live} />
      </main>
      <footer>
        <span>
          <kbd>/</kbd> search
        </span>
        <span>
          <kbd>j</kbd> <kbd>k</kbd> down and up
        </span>
        <span>
          <kbd>h</kbd> first page
        </span>
        {SETTINGS.isReadOnly ? <span>read-only</span> : null}
        {SETTINGS.payloads ? null : <span>payloads are hidden</span>}
      </footer>
      <Commands commands={live.commands} />
    </>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function Page({
  route,
  live,
}: {
  readonly route: Route;
  readonly live: Live<Overview | GroupView | AggregateView>;
}) {
  if (route.page === 'find') return <FindPage key={route.text} text={route.text} />;
  const { view } = live;
  if (view === undefined) return <Waiting live={live} />;
  switch (route.page) {
    case 'overview':
      return <OverviewPage view={view as Overview} />;
    case 'group':
      return <GroupPage view={view as GroupView} route={route} isAnswer={live.isAnswer} />;
    case 'aggregate':
      return <AggregatePage view={view as AggregateView} route={route} />;
  }
}

function Waiting({ live: { trouble } }: { readonly live: Live<unknown> }): ComponentChildren {
  if (trouble === undefined) return <p class="waiting">Asking the server…</p>;
  return (
    <Empty title="This page cannot be shown yet">
      <Foreign text={trouble.text} /> It is tried again by itself.
    </Empty>
  );
}

function Away({ live: { isOpen, trouble, view, at } }: { readonly live: Live<unknown> }) {
  const now = useNow();
  if (isOpen && (trouble === undefined || view === undefined)) return null;
  const age = view === undefined ? '' : ` What stands below is ${spanOf(now - at)} old.`;
  return (
    <div class="away" role="alert">
      {isOpen ? (
        <>
          <b>The NATS server cannot be read.</b> <Foreign text={trouble?.text ?? ''} />
        </>
      ) : (
        <>
          <b>The board does not answer.</b> See that its process runs; the page connects again by itself.
        </>
      )}
      {age}
    </div>
  );
}

function Pulse({
  live: { view, at, isOpen, trouble },
  isLive,
}: {
  readonly live: Live<unknown>;
  readonly isLive: boolean;
}) {
  const now = useNow();
  if (!isLive) return null;
  const isFresh = isOpen && trouble === undefined && now - at < OLD_MS;
  const text = view === undefined ? 'connecting' : isFresh ? 'live' : `${spanOf(now - at)} old`;
  return (
    <span class={`pulse ${view === undefined ? '' : isFresh ? 'is-live' : 'is-old'}`}>
      <span class="dot" aria-hidden="true" />
      {text}
    </span>
  );
}

function Search({ initial }: { readonly initial: string }) {
  const input = useRef<HTMLInputElement>(null);
  const { text, type, send } = useField(initial);
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        // What is typed: the state may be a key behind.
        const asked = input.current?.value.trim() ?? '';
        if (asked === '') return;
        send();
        // The keys go to the page that comes.
        input.current?.blur();
        location.hash = hrefOf({ page: 'find', text: asked });
      }}
    >
      <input
        ref={input}
        id="search"
        type="search"
        aria-label="Find an aggregate by its id"
        placeholder="Find an aggregate by its id"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => type(event.currentTarget.value)}
      />
    </form>
  );
}

function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = (): void => setHash(location.hash);
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return routeOf(hash);
}

function useNow(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function titleOf(route: Route): string {
  switch (route.page) {
    case 'overview':
      return 'Aggregate board';
    case 'group':
      return `${visible(route.group)} on ${visible(route.topic)}`;
    case 'aggregate':
      return visible(route.aggregateId);
    case 'find':
      return `Find ${visible(route.text)}`;
  }
}

/**
 * Readers of the screen and of the tab bar hear where they are: at once, before the next key or click. A field that
 * someone types in keeps the focus.
 */
function useTitle(route: Route): void {
  const title = titleOf(route);
  const isFirst = useRef(true);
  useLayoutEffect(() => {
    document.title = title;
    if (!isFirst.current) {
      scrollTo(0, 0);
      if (!isTypedIn(document.activeElement)) document.getElementById('main')?.focus({ preventScroll: true });
    }
    isFirst.current = false;
  }, [title]);
}

function useKeys(): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const isTaken = isTypedIn(event.target) || document.querySelector('dialog[open]') !== null;
      if (isTaken || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === '/') {
        event.preventDefault();
        document.getElementById('search')?.focus();
      } else if (event.key === 'h') location.hash = '#/';
      else if (event.key === 'j') focusRow(1);
      else if (event.key === 'k') focusRow(-1);
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);
}

function isTypedIn(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input, select, textarea');
}

function focusRow(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('.row-link')];
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + by));
  rows[next]?.focus();
}
