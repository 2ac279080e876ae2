import { headers, type MsgHdrs } from 'nats';
import { subjectOf, tokenOf } from 'nestjs-aggregate-transport';
import type { Random } from './random.js';

/** What a client that is not ours puts under a topic. */
export interface ForeignMessage {
  readonly subject: string;
  readonly body: Uint8Array;
  readonly headers: MsgHdrs | undefined;
}

const FIELDS = [
  'event_id',
  'aggregate_id',
  'event_type',
  'event_version',
  'timestamp',
  'trace_id',
  'correlation_id',
  'tenant_id',
  'aggregate_version',
  'payload',
];

/** Values of every JSON type, and those that are easily taken for another. */
function anyValue(random: Random, depth = 0): unknown {
  const kinds = depth > 3 ? 7 : 9;
  switch (random.below(kinds)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return random.pick([0, -1, 1.5, 1e308, 2 ** 53 + 2, -0]);
    case 3:
      return random.pick(['', 'Counted', '__proto__', 'constructor', '\u0000', '\ud800', 'a'.repeat(2_000)]);
    case 4:
      return random.pick(['2026-11-24T00:00:00Z', 'yesterday', '+275761-01-01T00:00:00Z']);
    case 5:
      return random.below(1_000);
    case 6:
      return String(random.next());
    case 7:
      return Array.from({ length: random.below(4) }, () => anyValue(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [
          random.pick(['toString', 'then', '__proto__', 'message', 'x']),
          anyValue(random, depth + 1),
        ]),
      );
  }
}

function anyBody(random: Random, id: string): Uint8Array {
  const what = random.next();
  if (what < 0.2) return random.bytes(random.below(300));
  if (what < 0.25) return new Uint8Array();
  if (what < 0.4) return Buffer.from(JSON.stringify(anyValue(random)));
  if (what < 0.45) return Buffer.from('['.repeat(20_000));
  const envelope: Record<string, unknown> = {
    ...{ event_id: `foreign-${random.next()}`, aggregate_id: id, event_type: 'Counted', event_version: 1 },
    ...{ timestamp: '2026-11-24T00:00:00Z', payload: random.below(100) },
  };
  for (let changes = random.below(4); changes > 0; changes--) {
    const field = random.pick(FIELDS);
    if (random.chance(0.3)) Reflect.deleteProperty(envelope, field);
    else envelope[field] = anyValue(random);
  }
  const whole = Buffer.from(JSON.stringify(envelope));
  return random.chance(0.1) ? whole.subarray(0, random.below(whole.length)) : whole;
}

function anyHeaders(random: Random): MsgHdrs | undefined {
  if (random.chance(0.5)) return undefined;
  const found = headers();
  for (let count = random.below(5); count > 0; count--) {
    const name = random.pick([
      ...[
        'traceparent',
        'Nats-Msg-Id',
        'KV-Operation',
        'Nats-Marker-Reason',
        'Content-Type',
        'x',
        '__proto__',
      ],
      ...[
        'constructor',
        'Nats-Sequence',
        'Nats-Stream',
        'Status',
        'Nats-Num-Pending',
        'aggregate-transport-letter',
      ],
    ]);
    found.append(
      name,
      random.pick(['', 'DEL', '1', 'a'.repeat(3_000), 'ünï', '00-0-0-0', String(random.next())]),
    );
  }
  return found;
}

function anySubject(random: Random, topic: string, id: string): string {
  const sound = subjectOf(topic, tokenOf(id));
  const what = random.next();
  if (what < 0.75) return sound;
  const [, ...tokens] = sound.split('.');
  if (what < 0.8) tokens[random.below(8)] = random.pick(['0', '1', '2', 'x', '~']);
  else if (what < 0.9)
    tokens[8] = random.pick(['~', '~!!', '~YWJj', '~_w', '=', 'a:b', '__proto__', 'ü', '~'.repeat(200)]);
  else if (what < 0.95) tokens.pop();
  else tokens.push('more');
  return [topic, ...tokens].join('.');
}

/** A message of a foreign client: sound, nearly sound, or garbage. Its aggregates begin with `foreign`. */
export function foreignMessage(random: Random, topic: string): ForeignMessage {
  const id = `foreign${random.below(40)}`;
  return { subject: anySubject(random, topic, id), body: anyBody(random, id), headers: anyHeaders(random) };
}
