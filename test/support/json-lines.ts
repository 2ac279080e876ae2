import { readFileSync } from 'node:fs';
import { type ValidateFunction, Ajv } from 'ajv';

interface KindSchema {
  readonly 'x-commands': readonly string[];
  readonly 'x-more'?: boolean;
}

/** The shapes that the package publishes, by kind. */
export const KINDS = (
  JSON.parse(readFileSync('libs/aggregate-transport/schemas/cli.schema.json', 'utf8')) as {
    definitions: Record<string, KindSchema>;
  }
).definitions;

const ajv = new Ajv({ validateFormats: false, allErrors: true, strict: false });
const checks = new Map<string, ValidateFunction>();

/** A field that no page explains is an error here, and none for a user. */
function checkOf(kind: string): ValidateFunction | undefined {
  const schema = KINDS[kind];
  if (schema === undefined) return undefined;
  let check = checks.get(kind);
  if (check === undefined) {
    check = ajv.compile({ ...schema, additionalProperties: schema['x-more'] === true });
    checks.set(kind, check);
  }
  return check;
}

/**
 * Reads what a command has printed with `--json`, and holds each line against its published shape.
 * @throws Error with the line, and with what is wrong
 */
export function readJsonLines(output: string): Readonly<Record<string, unknown>>[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const value = JSON.parse(line) as Record<string, unknown>;
      const check = checkOf(String(value['kind']));
      if (check === undefined) throw new Error(`expected a kind that docs/json.md explains, found ${line}`);
      if (!check(value))
        throw new Error(`expected the shape of its kind, found ${ajv.errorsText(check.errors)} in ${line}`);
      return value;
    });
}
