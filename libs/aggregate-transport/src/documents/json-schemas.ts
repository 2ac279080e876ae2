/** A JSON Schema, of draft 7. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Loads a package as the application would. Rejects if the application does not have it. */
export type LoadPackage = (name: string) => Promise<unknown>;

const TARGET = 'draft-07';
const NO_SCHEMA = 'No schema is declared for this payload.';

/** The part of a schema that is asked: Standard Schema, its JSON Schema extension, and a method of older arktype. */
interface SchemaLike {
  readonly '~standard'?: {
    readonly vendor?: unknown;
    readonly jsonSchema?: { readonly input?: (options: { target: string }) => unknown };
  };
  readonly toJsonSchema?: () => unknown;
}

/** The ways of one library, tried in this order. */
type Way = (schema: SchemaLike, load: LoadPackage) => unknown;

const WAYS: readonly Way[] = [
  (schema) => schema['~standard']?.jsonSchema?.input?.({ target: TARGET }),
  async (schema, load) => {
    if (schema['~standard']?.vendor !== 'zod') return undefined;
    const options = { io: 'input', target: 'draft-7', unrepresentable: 'any' };
    return callOf(await load('zod'), 'toJSONSchema')?.(schema, options);
  },
  (schema) => schema.toJsonSchema?.(),
  async (schema, load) => {
    if (schema['~standard']?.vendor !== 'valibot') return undefined;
    const options = { typeMode: 'input', target: TARGET, errorMode: 'ignore' };
    return callOf(await load('@valibot/to-json-schema'), 'toJsonSchema')?.(schema, options);
  },
];

/**
 * The JSON Schema of what a schema takes in, which is what is published. Where its library gives none, an open one that
 * says so. Never rejects: the schema and its library are not ours.
 *
 * @param place Where the schema will stand in the document, such as `#/components/schemas/a`: its own references are
 *   relative to that.
 */
export async function jsonSchemaOf(schema: unknown, load: LoadPackage, place: string): Promise<JsonSchema> {
  if (schema === undefined || schema === null) return { description: NO_SCHEMA };
  for (const way of WAYS) {
    try {
      const found = await way(schema, load);
      if (typeof found === 'object' && found !== null) return placed(found, place);
    } catch {
      // The next way may know what this one does not.
    }
  }
  return {
    description: `The payload is checked by a schema of ${vendorOf(schema)} that has no JSON Schema.`,
  };
}

function vendorOf(schema: unknown): string {
  try {
    const vendor = (schema as SchemaLike)['~standard']?.vendor;
    return typeof vendor === 'string' ? vendor : 'an unknown library';
  } catch {
    return 'an unknown library';
  }
}

function callOf(module: unknown, name: string): ((...args: unknown[]) => unknown) | undefined {
  const { [name]: own, default: other } = module as Record<string, unknown>;
  const call = own ?? (other as Record<string, unknown> | undefined)?.[name];
  return typeof call === 'function' ? (call as (...args: unknown[]) => unknown) : undefined;
}

/** Without `$schema`, and with its references where they lead now. A copy through JSON: getters run once. */
function placed(schema: object, place: string): JsonSchema {
  const text = JSON.stringify(schema, (key, value: unknown) =>
    key === '$ref' && typeof value === 'string' && value.startsWith('#')
      ? `${place}${value.slice(1)}`
      : value,
  );
  const fields = Object.entries(JSON.parse(text) as JsonSchema);
  return Object.fromEntries(fields.filter(([name]) => name !== '$schema'));
}
