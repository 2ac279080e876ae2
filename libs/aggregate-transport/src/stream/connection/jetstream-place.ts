import { AggregateTransportError } from '../../errors.js';

/** Where JetStream is, if it is not in the user's own account: behind a leaf node, or in an account that exports it. */
export interface JetStreamOptions {
  /** The JetStream domain of the servers behind a leaf node, such as `hub`. Not together with `apiPrefix`. */
  domain?: string;
  /** What another account's JetStream API was imported as, such as `JS.acme.API`. Not together with `domain`. */
  apiPrefix?: string;
}

/** What subjects begin with for the JetStream that is used. */
export interface JetStreamPlace {
  /** Before every API call, with its dot at the end. */
  readonly api: string;
  /** Before the subject of every write to a key-value key; '' in the user's own account. */
  readonly keys: string;
  readonly domain: string | undefined;
  /**
   * Writes of keys can be heard on their way. Not in a domain: a hub ends the connection of a leaf node that subscribes
   * there.
   */
  readonly canHearKeys: boolean;
  /** The option that says so; undefined in the user's own account. */
  readonly option: 'domain' | 'apiPrefix' | undefined;
}

const OWN_API = '$JS.API';

export const OWN_JETSTREAM: JetStreamPlace = {
  api: `${OWN_API}.`,
  keys: '',
  domain: undefined,
  canHearKeys: true,
  option: undefined,
};

/**
 * Reads option `jetstream`. Elsewhere, keys are written below the API's prefix, as all NATS clients do (ADR-19):
 * `$JS.hub.API.$KV.<bucket>.<key>`. Pure.
 * @throws OPTIONS_INVALID if both are named, or if one is no subject without wildcards
 */
export function jetStreamPlaceOf({ domain, apiPrefix }: JetStreamOptions = {}): JetStreamPlace {
  if (domain !== undefined && apiPrefix !== undefined)
    throw invalid('one of jetstream.domain and jetstream.apiPrefix', 'both', 'remove one');
  if (domain === undefined && apiPrefix === undefined) return OWN_JETSTREAM;
  return domain === undefined
    ? atPrefix(checked('apiPrefix', apiPrefix))
    : inDomain(checked('domain', domain));
}

function atPrefix(prefix: string): JetStreamPlace {
  if (prefix === OWN_API) return OWN_JETSTREAM;
  const domain = OF_DOMAIN.exec(prefix)?.[1];
  return {
    ...{ api: `${prefix}.`, keys: `${prefix}.`, option: 'apiPrefix', domain },
    canHearKeys: domain === undefined,
  };
}

function inDomain(domain: string): JetStreamPlace {
  const prefix = `$JS.${domain}.API.`;
  return { api: prefix, keys: prefix, option: 'domain', domain, canHearKeys: false };
}

/** @throws OPTIONS_INVALID */
function checked(option: 'domain' | 'apiPrefix', given: unknown): string {
  const { pattern, form } = FORMS[option];
  if (typeof given === 'string' && pattern.test(given)) return given;
  throw invalid(`jetstream.${option} to be ${form}`, JSON.stringify(given), 'correct it');
}

/** A domain that is written as a prefix. */
const OF_DOMAIN = /^\$JS\.([^.]+)\.API$/;
const FORMS = {
  domain: { pattern: /^[^\s.*>]+$/, form: 'one token, such as "hub"' },
  apiPrefix: {
    pattern: /^[^\s.*>]+(\.[^\s.*>]+)*$/,
    form: 'a subject without wildcards, such as "JS.acme.API"',
  },
} as const;

function invalid(expected: string, found: string, todo: string): AggregateTransportError {
  return new AggregateTransportError('OPTIONS_INVALID', `expected ${expected}, found ${found}; ${todo}`);
}
