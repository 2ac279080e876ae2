import { connect, type JsMsg } from 'nats';

/** Reads a whole stream through a plain ordered consumer, past the library, and resolves with what `of` makes of it. */
export async function readStream<T>(url: string, name: string, of: (message: JsMsg) => T): Promise<T[]> {
  const nats = await connect({ servers: url });
  try {
    const manager = await nats.jetstreamManager();
    const { state } = await manager.streams.info(name);
    const found: T[] = [];
    if (state.messages === 0) return found;
    const consumer = await nats.jetstream().consumers.get(name);
    for await (const message of await consumer.consume()) {
      found.push(of(message));
      if (message.seq >= state.last_seq) break;
    }
    return found;
  } finally {
    await nats.close();
  }
}
