import { AggregateTransportError } from '../errors.js';
import type { Codec } from '../message/codec.js';
import { isPartitionCount } from '../message/partitioning.js';

/** Checks one value; returns what was expected if it is not that. */
type Rule = (value: unknown) => string | undefined;

function whole(min: number, max = Number.MAX_SAFE_INTEGER): Rule {
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : `a whole number ${range}`;
}

/** Rules of options that a list of options leaves out. */
const GONE = new WeakSet<Rule>();

/** An option of an earlier design. */
function gone(why: string): Rule {
  const rule: Rule = () => `left out (${why})`;
  GONE.add(rule);
  return rule;
}

function share(value: unknown): string | undefined {
  return typeof value === 'number' && value >= 0 && value <= 1 ? undefined : 'a number from 0 to 1';
}

function unlimitedOr(rule: Rule): Rule {
  return (value) => {
    const expected = value === -1 ? undefined : rule(value);
    return expected && `${expected}, or -1 for no limit`;
  };
}

function oneOf(...choices: string[]): Rule {
  return (value) =>
    choices.includes(value as string) ? undefined : choices.map((choice) => `"${choice}"`).join(' or ');
}

function startAt(value: unknown): string | undefined {
  if (value === 'all' || value === 'new') return undefined;
  if (typeof value === 'object' && value !== null) {
    if ('sequence' in value && whole(1)(value.sequence) === undefined) return undefined;
    if ('time' in value && value.time instanceof Date && !Number.isNaN(value.time.getTime()))
      return undefined;
  }
  return '"all", "new", { sequence: a whole number from 1 } or { time: a Date }';
}

function codec(value: unknown): string | undefined {
  const { encode, decode, headersOf } = (value ?? {}) as Partial<Record<keyof Codec, unknown>>;
  const isCodec = typeof encode === 'function' && typeof decode === 'function';
  return isCodec && (headersOf === undefined || typeof headersOf === 'function')
    ? undefined
    : 'an object with encode and decode, and with headersOf or without';
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? undefined : 'a text';
}

function boolean(value: unknown): string | undefined {
  return typeof value === 'boolean' ? undefined : 'true or false';
}

function meter(value: unknown): string | undefined {
  const given = (value ?? {}) as Record<string, unknown>;
  const missing = ['createHistogram', 'createObservableCounter', 'createObservableGauge'].find(
    (name) => typeof given[name] !== 'function',
  );
  return missing === undefined ? undefined : `an OpenTelemetry meter (it has no ${missing})`;
}

function tracer(value: unknown): string | undefined {
  const { startSpan } = (value ?? {}) as Record<string, unknown>;
  return typeof startSpan === 'function' ? undefined : 'an OpenTelemetry tracer (it has no startSpan)';
}

function propagator(value: unknown): string | undefined {
  const given = (value ?? {}) as Record<string, unknown>;
  const missing = ['inject', 'extract', 'fields'].find((name) => typeof given[name] !== 'function');
  return missing === undefined ? undefined : `an OpenTelemetry propagator (it has no ${missing})`;
}

const onExhausted = oneOf('park', 'skip', 'block', 'halt');

function callback(value: unknown): string | undefined {
  return typeof value === 'function' ? undefined : 'a function';
}

const RETRY_RULES: Rules = {
  attempts: whole(1, 1_000_000),
  firstDelayMs: whole(1, 2_147_483_647),
  factor: (value) =>
    typeof value === 'number' && value >= 1 && value <= 100 ? undefined : 'a number from 1 to 100',
  maxDelayMs: whole(1, 2_147_483_647),
  jitter: share,
};

const TOPIC_RULES: Rules = {
  codec,
  stream: {
    provision: oneOf('ensure', 'verify', 'off'),
    storage: oneOf('file', 'memory'),
    maxBytes: whole(1_048_576),
    maxMessages: whole(1),
    maxAgeMs: whole(0),
    replicas: whole(1, 5),
    duplicateWindowMs: whole(16_000),
    discard: oneOf('old', 'new'),
  },
  publish: {
    maxInFlight: whole(1, 8_000),
    maxPending: whole(1),
    maxBlocked: whole(0),
    giveUpAfterMs: whole(1_000),
    maxBatch: whole(1, 1_000),
    maxOpenBatches: whole(1, 50),
  },
  consume: {
    partitions: (value) => (isPartitionCount(value as number) ? undefined : 'a power of two from 1 to 256'),
    startAt,
    batch: whole(1, 10_000),
    pullExpiresMs: whole(100, 60_000),
    ackWaitMs: gone(
      'nothing is delivered again because time has passed, so there is no ack to wait for; see consume.commitEveryMs',
    ),
    commitEveryMs: whole(0, 10_000),
    maxAckPending: whole(1, 100_000),
    maxWaiting: whole(1, 100_000),
    maxBufferedBytes: whole(65_536),
    concurrency: whole(1, 100_000),
    leaseTtlMs: whole(1_000, 60_000),
    timeoutMs: whole(1),
    retry: RETRY_RULES,
    onExhausted,
    classify: callback,
    directCalls: oneOf('auto', 'never'),
    around: callback,
    breaker: {
      parked: whole(1, 1_000_000),
      withinMs: whole(1_000, 3_600_000),
      failedShare: share,
      probeEveryMs: whole(100, 3_600_000),
    },
    onUnhandledType: oneOf('ignore', 'park', 'block'),
  },
  parked: { maxBytes: whole(1_048_576), maxLetters: whole(1) },
  positions: { maxBytes: unlimitedOr(whole(8_388_608)) },
};

/** The client checks its own options. */
function connectionSource(value: unknown): string | undefined {
  const isKnown = typeof value === 'function' || anyObject(value) === undefined;
  return isKnown ? undefined : 'an object of options, an open connection, or a function that makes one';
}

/** Its members have rules of their own. */
function anyObject(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'an object';
}

function servers(value: unknown): string | undefined {
  const list = [value].flat();
  return list.length > 0 && list.every((server) => typeof server === 'string' && server !== '')
    ? undefined
    : 'an address or a list of addresses';
}

const ROOT_RULES: Rules = {
  ...TOPIC_RULES,
  servers,
  client: oneOf('nats', 'nats-io'),
  connection: connectionSource,
  connectionMode: oneOf('perTopic', 'shared'),
  jetstream: { domain: text, apiPrefix: text },
  group: text,
  topics: anyObject,
  shutdown: { drainMs: whole(0, 2_147_483_647) },
  metrics: { meter, handlerDuration: boolean },
  tracing: { tracer, propagator, aggregateId: boolean },
  hooks: { onParked: callback, onUnparked: callback, onStuck: callback },
};

/** Any other would match no event, and the group would settle every event unhandled. */
function eventTypes(value: unknown): string | undefined {
  const list = [value].flat();
  return list.length > 0 && list.every((type) => typeof type === 'string' && type.trim() !== '')
    ? undefined
    : 'a text that is not blank, or a list of one or more such texts';
}

export const HANDLER_RULES: Rules = {
  type: eventTypes,
  group: text,
  retry: RETRY_RULES,
  onExhausted,
  classify: callback,
  timeoutMs: whole(1),
  batch: whole(1, 1_000),
};

export interface Rules {
  readonly [key: string]: Rule | Rules;
}

/**
 * Checks values against rules, unknown keys included: a misspelt option must not be ignored in silence.
 * @throws OPTIONS_INVALID, naming the path
 */
export function checkOptions(path: string, given: unknown, rules: Rules): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalid(path, 'an object', given);
  }
  for (const [key, value] of Object.entries(given)) {
    const rule = rules[key];
    const here = path === '' ? key : `${path}.${key}`;
    if (rule === undefined) {
      throw new AggregateTransportError(
        'OPTIONS_INVALID',
        `expected one of the options ${namesOf(rules).join(', ')}${path === '' ? '' : ` in ${path}`}, ` +
          `found "${here}"; remove it or correct its name`,
      );
    }
    if (value === undefined) continue;
    if (typeof rule === 'object') {
      checkOptions(here, value, rule);
      continue;
    }
    const expected = rule(value);
    if (expected !== undefined) throw invalid(here, expected, value);
  }
}

function namesOf(rules: Rules): string[] {
  return Object.keys(rules).filter((name) => {
    const rule = rules[name];
    return typeof rule !== 'function' || !GONE.has(rule);
  });
}

export function checkRootOptions(given: unknown): void {
  checkOptions('', given, ROOT_RULES);
}

export function checkTopicOptions(topic: string, given: unknown): void {
  checkOptions(`topics.${topic}`, given, TOPIC_RULES);
}

function invalid(path: string, expected: string, found: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected option ${path === '' ? '(root)' : path} to be ${expected}, found ${shown(found)}; correct it`,
  );
}

function shown(found: unknown): string {
  if (typeof found === 'string' || typeof found === 'number') return JSON.stringify(found);
  if (Array.isArray(found)) return found.length === 0 ? 'an empty list' : `a list of ${found.length}`;
  return found === null ? 'null' : typeof found;
}
