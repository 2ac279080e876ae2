import { CreateError } from './create-error.js';

/** What a folder, a package, a topic and a group may be called alike. */
const NAME = /^[a-z][a-z0-9-]{0,62}$/;
/** Files, packages and classes of the template have these names already. */
const TAKEN = {
  service: ['nestjs-aggregate-transport'],
  topic: ['app', 'server', 'aggregate', 'aggregate-transport', 'inject-aggregate'],
} as const;

/** How the template spells one topic. */
export interface TopicSpellings {
  /** In addresses, file names and the topic itself: `order-lines`. */
  readonly kebab: string;
  /** In names of values: `orderLines`. */
  readonly camel: string;
  /** In names of classes: `OrderLines`. */
  readonly pascal: string;
}

/**
 * Returns `name`, if a service or a topic may be called so.
 * @throws CreateError that names the rule
 */
export function checkedName(kind: 'service' | 'topic', name: string): string {
  const taken: readonly string[] = TAKEN[kind];
  if (NAME.test(name) && !taken.includes(name)) return name;
  throw new CreateError(
    `expected a ${kind} name of lower-case letters, digits and "-" that begins with a letter, at most 63 long` +
      `${taken.map((one) => `, not ${one}`).join('')}, found ${JSON.stringify(name)}; choose another name`,
  );
}

/** `order-lines` as `orderLines` and `OrderLines`. */
export function spellingsOf(topic: string): TopicSpellings {
  const parts = topic.split('-').filter((part) => part !== '');
  const pascal = parts.map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join('');
  return { kebab: topic, camel: pascal.charAt(0).toLowerCase() + pascal.slice(1), pascal };
}
