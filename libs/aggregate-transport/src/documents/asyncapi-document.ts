import type {
  ApplicationFacts,
  DocumentTitle,
  GroupFacts,
  TopicFacts,
  TypeFacts,
} from './application-facts.js';
import { type JsonSchema, jsonSchemaOf, type LoadPackage } from './json-schemas.js';
import { messageSchemas } from './message-schemas.js';

/** An AsyncAPI 3.0 document, as plain data. */
export interface AsyncApiDocument {
  readonly asyncapi: '3.0.0';
  readonly channels: Readonly<Record<string, object>>;
  readonly operations: Readonly<Record<string, object>>;
  readonly [field: string]: unknown;
}

const BITS = ['b7', 'b6', 'b5', 'b4', 'b3', 'b2', 'b1', 'b0'];
const UNSAFE = /[^A-Za-z0-9_-]/g;
const ANY = 'AnyEvent';
const NATS = { nats: { bindingVersion: '0.1.0' } };

/** A topic with what the document calls its messages. */
interface NamedTopic extends TopicFacts {
  /** The key of each type's message. */
  readonly keys: ReadonlyMap<string, string>;
  /** The key of the message that stands for types that are not named; undefined if all are. */
  readonly anyKey: string | undefined;
}

/**
 * The AsyncAPI document of an application. The same facts give the same document, key by key.
 *
 * @param load Loads a schema library of the application, for schemas that do not give their JSON Schema themselves.
 */
export async function asyncApiDocument(
  facts: ApplicationFacts,
  title: DocumentTitle,
  load: LoadPackage,
): Promise<AsyncApiDocument> {
  const topics = [...facts.topics].sort(byText(({ name }) => name)).map(named);
  const schemas = (await Promise.all(topics.map((topic) => schemasOf(topic, load)))).flat();
  return {
    asyncapi: '3.0.0',
    info: { ...title, description: descriptionOf(facts) },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(topics.map((topic) => [keyOf(topic.name), channelOf(topic)])),
    operations: Object.fromEntries(topics.flatMap(operationsOf)),
    components: {
      parameters: {
        bit: {
          enum: ['0', '1'],
          description: 'A bit of FNV-1a 32 of the token, modulo 256. The highest comes first.',
        },
        token: {
          description:
            'The aggregate id if it is 1 to 128 letters, digits, "_" or "-". Else "~" and its base64url.',
        },
      },
      ...(schemas.length === 0 ? {} : { schemas: Object.fromEntries(schemas) }),
    },
  };
}

function descriptionOf({ hasOptions }: ApplicationFacts): string {
  const text =
    'Events of one aggregate are stored and handled in order. A channel is a stream of NATS JetStream, ' +
    'and each aggregate has a subject of its own.';
  const unread =
    ' The options come from a factory that was not called: topics without handlers or publishers are missing.';
  return hasOptions ? text : text + unread;
}

function named(topic: TopicFacts): NamedTopic {
  const keys = new Map<string, string>();
  const used = new Set<string>();
  const types = [...topic.types].sort(byText(({ type }) => type));
  for (const { type } of types) keys.set(type, unused(type, used));
  const isOpen =
    !topic.isComplete &&
    (types.length === 0 || topic.isPublished || topic.groups.some(({ others }) => others));
  return { ...topic, types, keys, anyKey: isOpen ? unused(ANY, used) : undefined };
}

/** A key made of a text, unlike all others. */
function unused(text: string, used: Set<string>): string {
  const plain = keyOf(text);
  let key = plain;
  for (let count = 2; used.has(key); count++) key = `${plain}-${count}`;
  used.add(key);
  return key;
}

/** As a key of a JSON object; one name would set the prototype of a reader's object. */
function keyOf(text: string): string {
  const plain = text.replace(UNSAFE, '_');
  return plain === '__proto__' ? `x${plain}` : plain;
}

function schemaKeyOf(topic: string, key: string): string {
  return `${topic}.${key}`;
}

function referenceTo(schemaKey: string): string {
  return `#/components/schemas/${schemaKey}`;
}

function schemasOf({ name, types, keys }: NamedTopic, load: LoadPackage): Promise<[string, JsonSchema][]> {
  return Promise.all(
    types.map(async ({ type, schema }): Promise<[string, JsonSchema]> => {
      const key = schemaKeyOf(name, keys.get(type) ?? type);
      return [key, await jsonSchemaOf(schema, load, referenceTo(key))];
    }),
  );
}

function channelOf(topic: NamedTopic): object {
  const { name, types, keys, anyKey } = topic;
  const messages = types.map((type): [string, object] => [
    keys.get(type.type) ?? type.type,
    messageOf(topic, type),
  ]);
  const any: [string, object][] = anyKey === undefined ? [] : [[anyKey, messageOf(topic, undefined)]];
  return {
    address: [name, ...BITS.map((bit) => `{${bit}}`), '{token}'].join('.'),
    title: name,
    description: `The stream "${name}". The order of events holds per subject.`,
    parameters: {
      ...Object.fromEntries(BITS.map((bit) => [bit, { $ref: '#/components/parameters/bit' }])),
      token: { $ref: '#/components/parameters/token' },
    },
    messages: Object.fromEntries([...messages, ...any]),
  };
}

function messageOf({ name, keys, format }: NamedTopic, found: TypeFacts | undefined): object {
  if (found === undefined) {
    const description = 'Any other event: its type is named neither by the topic nor by a handler.';
    const any = { type: undefined, named: [...keys.keys()], payload: {} };
    return { name: ANY, title: ANY, description, ...messageSchemas(format, any) };
  }
  const { type, version } = found;
  const payload = { $ref: referenceTo(schemaKeyOf(name, keys.get(type) ?? type)) };
  const description = version === undefined ? {} : { description: `Schema version ${version}.` };
  return { name: type, title: type, ...description, ...messageSchemas(format, { type, payload }) };
}

function operationsOf(topic: NamedTopic): [string, object][] {
  const { name, keys, anyKey, groups, isPublished, isComplete } = topic;
  const channel = { $ref: `#/channels/${keyOf(name)}` };
  const any = anyKey === undefined ? [] : [anyKey];
  const refs = (messages: readonly string[]): object[] =>
    messages.map((key) => ({ $ref: `${channel.$ref}/messages/${key}` }));
  // Without a definition nothing says which types are published.
  const sent = isComplete ? [...keys.values()] : any;
  const send = {
    ...{ action: 'send', channel, title: `Publish to ${name}`, messages: refs(sent), bindings: NATS },
  };
  const receives = [...groups].sort(byText(({ group }) => group ?? '')).map((group): [string, object] => {
    const messages = group.others
      ? [...keys.values(), ...any]
      : group.types.toSorted().map((type) => keys.get(type) ?? type);
    return [
      `receive_${name}_${group.group ?? 'default'}`,
      receiveOf(group, { channel, name, messages: refs(messages) }),
    ];
  });
  return [...(isPublished ? [[`send_${name}`, send] as [string, object]] : []), ...receives];
}

function receiveOf(
  { group, handlers }: GroupFacts,
  { channel, name, messages }: { channel: object; name: string; messages: object[] },
): object {
  const title = group === undefined ? `Handle ${name}` : `Handle ${name} as ${group}`;
  const unnamed = 'The group is named by options that were not read: pass --group.';
  return {
    ...{ action: 'receive', channel, title, messages, bindings: NATS },
    ...(group === undefined ? { description: unnamed } : {}),
    'x-aggregate-transport': { ...(group === undefined ? {} : { group }), handlers: handlers.toSorted() },
  };
}

/** By code units, so that no locale changes the document. */
function byText<T>(textOf: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => (textOf(a) < textOf(b) ? -1 : textOf(a) > textOf(b) ? 1 : 0);
}
