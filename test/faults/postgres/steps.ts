/** The processes of the way from a committed row to a committed row. */
const ROLES = ['shop', 'relay', 'handler'] as const;
export type Role = (typeof ROLES)[number];

/** What a fault may hit while a process stands at a step. */
export const TARGETS = [...ROLES, 'postgres', 'nats'] as const;
export type Target = (typeof TARGETS)[number];

export const WAYS = ['kill', 'freeze', 'cut'] as const;
export type Way = (typeof WAYS)[number];

/**
 * Every step at which a process is stopped, in the order in which an event passes them, and who comes there. Those of
 * `shop:` and `handler:` are told by the processes themselves; see `processes/`.
 */
export const STEPS = {
  'add: sent': 'shop',
  'add: added': 'shop',
  'shop: commit sent': 'shop',
  'shop: committed': 'shop',
  'relay: read': 'relay',
  'relay: sending': 'relay',
  'relay: sent': 'relay',
  'relay: stored': 'relay',
  'relay: marked': 'relay',
  'handler: delivered': 'handler',
  'inbox: entered': 'handler',
  'handler: effect': 'handler',
  'handler: commit sent': 'handler',
  'handler: committed': 'handler',
  // The position that calls the event settled is stored, and nothing is known of it yet.
  'commit: written': 'handler',
} as const satisfies Readonly<Record<string, Role>>;
export type Step = keyof typeof STEPS;

export const STEP_NAMES = Object.keys(STEPS) as Step[];

/** Steps that the library of PostgreSQL names itself. `relay: taken over` is met by every kill of a relay. */
export const LIBRARY_STEP = /^(add|relay|inbox): /;
