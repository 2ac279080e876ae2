import type { NatsConnection } from 'nats';

/** What `nats stream backup` writes: the stream's settings and state, and its contents as the server packs them. */
export interface StreamBackup {
  readonly config: object;
  readonly state: object;
  readonly chunks: readonly Uint8Array[];
}

const CHUNK_BYTES = 128 * 1_024;

interface Answer {
  readonly error?: { readonly description: string };
}

async function ask<T>(nats: NatsConnection, call: string, body: object): Promise<T> {
  const message = await nats.request(`$JS.API.STREAM.${call}`, JSON.stringify(body), { timeout: 10_000 });
  const answer = message.json<T & Answer>();
  if (answer.error !== undefined) throw new Error(`${call}: ${answer.error.description}`);
  return answer;
}

/** `nats stream backup`, by plain requests: the server sends chunks, and each is answered. */
export async function backUp(nats: NatsConnection, stream: string): Promise<StreamBackup> {
  const inbox = `_INBOX.backup.${stream}.${Math.random().toString(36).slice(2)}`;
  const delivered = nats.subscribe(inbox);
  const { config, state } = await ask<Omit<StreamBackup, 'chunks'>>(nats, `SNAPSHOT.${stream}`, {
    deliver_subject: inbox,
    no_consumers: true,
    chunk_size: CHUNK_BYTES,
  });
  const chunks: Uint8Array[] = [];
  for await (const message of delivered) {
    if (message.data.length === 0) break;
    chunks.push(Uint8Array.from(message.data));
    message.respond();
  }
  return { config, state, chunks };
}

/** `nats stream restore`, by plain requests: a stream that is there has to be deleted before. */
export async function restore(nats: NatsConnection, stream: string, backup: StreamBackup): Promise<void> {
  const { config, state, chunks } = backup;
  const { deliver_subject: inbox } = await ask<{ deliver_subject: string }>(nats, `RESTORE.${stream}`, {
    config,
    state,
  });
  for (const chunk of chunks) await nats.request(inbox, chunk, { timeout: 10_000 });
  const last = (await nats.request(inbox, new Uint8Array(), { timeout: 10_000 })).json<Answer>();
  if (last.error !== undefined) throw new Error(`restore of ${stream}: ${last.error.description}`);
}
