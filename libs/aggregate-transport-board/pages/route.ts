import type { GroupRef, TroubleKind } from '../src/source/board-source.js';

/** A place in the board; it stands behind the `#` of the address. */
export type Route =
  | { readonly page: 'overview' }
  | (GroupRef & {
      readonly page: 'group';
      readonly kind: TroubleKind | undefined;
      readonly text: string;
      readonly offset: number;
    })
  | {
      readonly page: 'aggregate';
      readonly topic: string;
      readonly aggregateId: string;
      readonly limit: number | undefined;
    }
  | { readonly page: 'find'; readonly text: string };

/** Pure. What names no place is the first page. */
export function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [page, first = '', second = ''] = path.split('/').map(decoded);
  const asked = new URLSearchParams(query);
  if (page === 'find') return { page, text: asked.get('text') ?? '' };
  if (first === '' || second === '') return { page: 'overview' };
  if (page === 'group') return groupRoute({ topic: first, group: second }, asked);
  return page === 'aggregate' ? aggregateRoute(first, second, asked) : { page: 'overview' };
}

function groupRoute(ref: GroupRef, asked: URLSearchParams): Route {
  const kind = asked.get('kind') as TroubleKind | null;
  const offset = Number(asked.get('offset') ?? 0);
  return { page: 'group', ...ref, kind: kind ?? undefined, text: asked.get('text') ?? '', offset };
}

function aggregateRoute(topic: string, aggregateId: string, asked: URLSearchParams): Route {
  const limit = asked.get('limit');
  return { page: 'aggregate', topic, aggregateId, limit: limit === null ? undefined : Number(limit) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}

/** Pure. */
export function hrefOf(route: Route): string {
  switch (route.page) {
    case 'overview':
      return '#/';
    case 'group': {
      const { topic, group, kind, text, offset } = route;
      const query = queryOf({
        kind,
        text: text === '' ? undefined : text,
        offset: offset === 0 ? undefined : offset,
      });
      return `#/group/${encodeURIComponent(topic)}/${encodeURIComponent(group)}${query}`;
    }
    case 'aggregate': {
      const { topic, aggregateId, limit } = route;
      return `#/aggregate/${encodeURIComponent(topic)}/${encodeURIComponent(aggregateId)}${queryOf({ limit })}`;
    }
    case 'find':
      return `#/find${queryOf({ text: route.text })}`;
  }
}

export function groupHref({ topic, group }: GroupRef): string {
  return hrefOf({ page: 'group', topic, group, kind: undefined, text: '', offset: 0 });
}

export function aggregateHref(topic: string, aggregateId: string): string {
  return hrefOf({ page: 'aggregate', topic, aggregateId, limit: undefined });
}

/** What is asked of the server for a page; undefined if it is not live. Pure. */
export function liveQuery(route: Route): string | undefined {
  switch (route.page) {
    case 'overview':
      return '?view=overview';
    case 'group': {
      const { topic, group, kind, text, offset } = route;
      return queryOf({ view: 'group', topic, group, kind, text, offset });
    }
    case 'aggregate':
      return queryOf({ view: 'aggregate', topic: route.topic, id: route.aggregateId, limit: route.limit });
    case 'find':
      return undefined;
  }
}

/** Routes of one place show the same thing in another way: other rows of a group, more events of an aggregate. Pure. */
export function placeOf(route: Route): string {
  switch (route.page) {
    case 'group':
      return groupHref(route);
    case 'aggregate':
      return aggregateHref(route.topic, route.aggregateId);
    case 'overview':
    case 'find':
      return hrefOf(route);
  }
}

export function queryOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
