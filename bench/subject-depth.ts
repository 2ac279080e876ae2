// What the eight partition bits in every subject cost the publish side: acked publishes over one inbox,
// unordered, on a subject with and without the bits, interleaved. Run: npm run build && node dist/bench/subject-depth.js
import { connect, createInbox, type NatsConnection } from 'nats';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';

const EVENTS = 60_000;
const ROUNDS = 7;
const WINDOW = 2_048;
const AGGREGATES = 1_000;
const BODY = new Uint8Array(256).fill(120);
const BITS = Array.from({ length: 256 }, (_, slot) => slot.toString(2).padStart(8, '0').split('').join('.'));

/** Publishes all events with at most a window of them without an ack; resolves with events per second. */
function publishAll(nats: NatsConnection, subjectOf: (index: number) => string): Promise<number> {
  return new Promise((resolve) => {
    const inbox = createInbox();
    const startedAt = performance.now();
    let sent = 0;
    let acked = 0;
    const fill = (): void => {
      while (sent < EVENTS && sent - acked < WINDOW) nats.publish(subjectOf(sent++), BODY, { reply: inbox });
    };
    const subscription = nats.subscribe(inbox, {
      callback: () => {
        acked++;
        if (acked === EVENTS) {
          subscription.unsubscribe();
          resolve((EVENTS * 1_000) / (performance.now() - startedAt));
        } else if (sent - acked < WINDOW / 2) fill();
      },
    });
    fill();
  });
}

const server = await startNatsServer({ config: '' });
const nats = await connect({ servers: server.url, noAsyncTraces: true });
const manager = await nats.jetstreamManager();
const contenders = {
  plain: (index: number) => `plain.aggregate-${index % AGGREGATES}`,
  bits: (index: number) =>
    `bits.${BITS[(index % AGGREGATES) % BITS.length] ?? ''}.aggregate-${index % AGGREGATES}`,
};
const rates: Record<keyof typeof contenders, number[]> = { plain: [], bits: [] };
for (let round = 0; round < ROUNDS; round++) {
  for (const name of ['plain', 'bits'] as const) {
    await manager.streams.add({
      name,
      subjects: [name === 'plain' ? 'plain.*' : `bits.${'*.'.repeat(8)}*`],
    });
    rates[name].push(await publishAll(nats, contenders[name]));
    await manager.streams.delete(name);
  }
}
const ratios = rates.bits.map((rate, round) => rate / (rates.plain[round] ?? 1)).toSorted((a, b) => a - b);
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
console.log(`plain ${Math.round(median(rates.plain))}/s, with bits ${Math.round(median(rates.bits))}/s`);
console.log(
  `ratio, median of ${ROUNDS} pairs: ${median(ratios).toFixed(2)} (${ratios[0]?.toFixed(2) ?? ''} to ${ratios.at(-1)?.toFixed(2) ?? ''})`,
);
await nats.close();
await server.stop();
