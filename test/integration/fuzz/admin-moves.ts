import type { JetStreamManager, NatsConnection } from 'nats';
import type { Random } from './random.js';

type Kind = 'topic' | 'positions' | 'parked';

const SECOND = 1_000_000_000;
const KINDS: readonly Kind[] = ['topic', 'topic', 'topic', 'positions', 'parked'];

/** What an operator sets without thinking of us: harmless and harmful alike. */
const SETTINGS: readonly ((random: Random, stream: string) => object)[] = [
  (random) => ({ max_msgs_per_subject: random.pick([1, 2, 5, -1]) }),
  (random) => ({ max_msgs: random.pick([5, 30, 10_000]) }),
  (random) => ({ max_bytes: random.pick([2_000, 50_000, 10_000_000]) }),
  (random) => ({ max_msg_size: random.pick([64, 300, 1_000_000]) }),
  (random) => ({ max_age: random.pick([SECOND / 5, 3_600 * SECOND]), duplicate_window: SECOND / 10 }),
  (random) => ({ duplicate_window: random.pick([SECOND / 10, 300 * SECOND]) }),
  (random) => ({ discard: random.pick(['old', 'new']) }),
  () => ({ discard: 'new', discard_new_per_subject: true, max_msgs_per_subject: 1 }),
  () => ({ no_ack: true }),
  (_random, stream) => ({ subject_transform: { src: `${stream}.>`, dest: `moved-${stream}.>` } }),
  (_random, stream) => ({ subjects: [`elsewhere-${stream}.>`] }),
  (random) => ({ retention: random.pick(['workqueue', 'interest']) }),
  (random) => ({ compression: random.pick(['s2', 'none']) }),
  (_random, stream) => ({ republish: { src: '>', dest: `copies-${stream}.>` } }),
  () => ({ description: 'edited by an operator' }),
  () => ({ allow_direct: true }),
  () => ({ deny_delete: true }),
  () => ({ deny_purge: true }),
  () => ({ sealed: true }),
  () => ({ allow_rollup_hdrs: true }),
  () => ({ metadata: {} }),
  (random) => ({ max_consumers: random.pick([1, 100]) }),
  (random) => ({ consumer_limits: { inactive_threshold: random.pick([1, 60]) * SECOND } }),
];

/** What an operator edits of a reader. Undone edits are left out: those within 4 s are not promised to be seen. */
const READER_EDITS: readonly ((random: Random, topic: string) => object)[] = [
  (random, topic) => ({ filter_subject: `${topic}.${random.pick([0, 1])}.>` }),
  (random, topic) => ({ filter_subject: `${topic}.${random.pick(['0.0', '0.1', '1.0', '1.1'])}.>` }),
  (_random, topic) => ({ filter_subject: `${topic}.nowhere.>` }),
  (_random, topic) => ({ filter_subject: `${topic}.>` }),
  (random, topic) => ({
    filter_subject: undefined,
    filter_subjects: [`${topic}.0.${random.pick([0, 1])}.>`, `${topic}.1.1.>`],
  }),
  () => ({ headers_only: true }),
  (random) => ({ inactive_threshold: random.pick([SECOND / 10, 60 * SECOND]) }),
  () => ({ max_batch: 1 }),
  () => ({ max_expires: SECOND / 1_000 }),
  () => ({ max_bytes: 10 }),
  (random) => ({ max_deliver: random.pick([1, 2]) }),
  () => ({ priority_groups: ['g'], priority_policy: 'overflow' }),
  () => ({ description: 'edited by an operator' }),
];
const HOUR_MS = 3_600_000;

function streamOf(topic: string, kind: Kind): string {
  return kind === 'topic' ? topic : `${topic}_${kind}`;
}

/** An operator of one topic, who does at random what the server allows. */
export class Admin {
  /** What was done, for the report of a run that fails. */
  readonly done: string[] = [];
  /** Moves that edited or paused readers. */
  readerEdits = 0;

  constructor(
    private readonly nats: NatsConnection,
    private readonly manager: JetStreamManager,
    private readonly random: Random,
    private readonly topic: string,
  ) {}

  /** Makes a stream of the topic again, empty, with other settings. */
  async remake(): Promise<void> {
    const { random } = this;
    const stream = streamOf(this.topic, random.pick(KINDS));
    const setting = random.pick(SETTINGS)(random, stream);
    const { config } = await this.manager.streams.info(stream);
    await this.#try(`made ${stream} with ${JSON.stringify(setting)}`, async () => {
      await this.manager.streams.delete(stream);
      await this.#request(`STREAM.CREATE.${stream}`, { ...config, ...setting }).catch(
        async (error: unknown) => {
          await this.#request(`STREAM.CREATE.${stream}`, config);
          throw error;
        },
      );
    });
  }

  /** Edits a setting, or removes something, while events flow. */
  async move(): Promise<void> {
    const { random, topic } = this;
    const stream = streamOf(topic, random.pick(KINDS));
    const what = random.next();
    if (what < 0.45) {
      const setting = random.pick(SETTINGS)(random, stream);
      await this.#try(`edited ${stream}: ${JSON.stringify(setting)}`, async () => {
        const { config } = await this.manager.streams.info(stream);
        await this.#request(`STREAM.UPDATE.${stream}`, { ...config, ...setting });
      });
    } else if (what < 0.65) {
      await this.#editReaders();
    } else if (what < 0.77) {
      const { state } = await this.manager.streams.info(topic);
      const sequence = Math.max(state.first_seq, state.last_seq - random.below(30));
      await this.#try(`deleted message ${sequence} of ${topic}`, () =>
        this.manager.streams.deleteMessage(topic, sequence),
      );
    } else if (what < 0.86) {
      const keep = random.below(5);
      await this.#try(`purged ${topic}, keeping ${keep}`, () => this.manager.streams.purge(topic, { keep }));
    } else if (what < 0.95) {
      await this.#try(`deleted the readers of ${topic}`, async () => {
        for await (const { name } of this.manager.consumers.list(topic))
          await this.manager.consumers.delete(topic, name);
      });
    } else {
      await this.#try(`deleted the lease of ${topic}`, () =>
        this.manager.streams.purge('KV_aggregate-transport', {
          filter: `$KV.aggregate-transport.lease.${topic}.>`,
        }),
      );
    }
  }

  /** Edits, pauses or deletes one reader or all of them: short-lived consumers of the partitions' owners. */
  async #editReaders(): Promise<void> {
    const { random, topic } = this;
    const names: string[] = [];
    for await (const { name } of this.manager.consumers.list(topic)) names.push(name);
    const chosen = random.chance(0.5) || names.length === 0 ? names : [random.pick(names)];
    const what = random.next();
    const change = random.pick(READER_EDITS)(random, topic);
    const edited = new Set<string>();
    for (const name of chosen.toSorted()) {
      if (what < 0.7) {
        await this.#try(`edited reader ${name}: ${JSON.stringify(change)}`, async () => {
          const config = { ...(await this.manager.consumers.info(topic, name)).config, ...change };
          const { filter_subject: filter } = config;
          const call = `CONSUMER.CREATE.${topic}.${name}${filter === undefined ? '' : `.${filter}`}`;
          await this.#request(call, { stream_name: topic, config, action: 'update' });
          edited.add(name);
        });
      } else if (what < 0.9) {
        const pause_until = new Date(Date.now() + HOUR_MS).toISOString();
        await this.#try(`paused reader ${name}`, async () => {
          await this.#request(`CONSUMER.PAUSE.${topic}.${name}`, { pause_until });
          edited.add(name);
        });
      } else {
        await this.#try(`deleted reader ${name}`, () => this.manager.consumers.delete(topic, name));
      }
    }
    if (edited.size > 0) this.readerEdits++;
  }

  async #request(call: string, body: object): Promise<void> {
    const answer = await this.nats.request(`$JS.API.${call}`, JSON.stringify(body), { timeout: 10_000 });
    const { error } = answer.json<{ error?: { description: string } }>();
    if (error !== undefined) throw new Error(error.description);
  }

  /** The server refuses much of what an operator may try. */
  async #try(what: string, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
      this.done.push(what);
    } catch (error) {
      this.done.push(`${what} (refused: ${error instanceof Error ? error.message : String(error)})`);
    }
  }
}
