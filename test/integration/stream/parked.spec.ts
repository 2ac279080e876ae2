import { describe, expect, test } from '@jest/globals';
import { subjectOf, tokenOf } from '#library/message/subject.js';
import type { LetterEvent, ParkedPort } from '#library/parking/parked-port.js';
import type { Marker } from '#library/records/marker.js';
import { StreamWorld, VERSIONS } from './world.js';

const MARKER: Marker = {
  ...{ epoch: 1, state: 'parked', made: 0, reason: 'EXHAUSTED', error: 'no stock', attempts: 3 },
  ...{ sequence: 5, since: 1_000, crashes: 0 },
};
const NOTE = { marker: 7, stream: '2026-11-29T00:00:00Z' };

function eventOf(id: string, sequence: number, body = '{}', storedAt = '1795973284123456789'): LetterEvent {
  const readHeaders = () => ({ 'Nats-Msg-Id': 'gone', mine: 'kept' });
  return {
    token: tokenOf(id),
    sequence,
    origin: { body: Buffer.from(body), readHeaders, readStoredAt: () => storedAt },
  };
}

describe.each(VERSIONS)('parked aggregates on nats-server %s', (version) => {
  const world = new StreamWorld(version);
  let topics = 0;

  async function opened(): Promise<{ topic: string; port: ParkedPort }> {
    const topic = `parking-${topics++}`;
    const group = await world.group(topic, 'g');
    return { topic, port: group.partitions[0]!.parkedPort };
  }

  test('a marker is written by compare-and-set, and removed by its revision only', async () => {
    const { port } = await opened();
    const token = tokenOf('tenant:7');
    expect(await port.readMarker(token)).toBeUndefined();
    const made = (await port.writeMarker(token, MARKER, 0))!;
    expect(await port.writeMarker(token, MARKER, 0)).toBeUndefined();
    const changed = (await port.writeMarker(token, { ...MARKER, made, state: 'retrying' }, made))!;
    expect(await port.markers()).toEqual([
      { token, marker: { ...MARKER, made, state: 'retrying' }, revision: changed },
    ]);
    expect(await port.removeMarker(made)).toBe(false);
    expect(await port.removeMarker(changed)).toBe(true);
    expect(await port.removeMarker(changed)).toBe(false);
    expect(await port.markers()).toEqual([]);
  });

  test('a marker that was deleted with a key-value client counts as none', async () => {
    const { topic, port } = await opened();
    const token = tokenOf('k');
    await port.writeMarker(token, MARKER, 0);
    const subject = subjectOf('x', token).replace('x.', `$KV.aggregate-transport-parked.${topic}.g.`);
    await world.connection.nats.request(subject, '');
    expect(await port.readMarker(token)).toBeUndefined();
    expect(await port.markers()).toEqual([]);
  });

  test('letters follow each other, with the time of their event in milliseconds', async () => {
    const { port } = await opened();
    const first = await port.append([eventOf('k', 5)], NOTE, 0);
    const position = first.kind === 'stored' ? first.position : 0;
    expect(await port.append([eventOf('k', 6)], NOTE, 0)).toEqual({ kind: 'moved' });
    expect(await port.append([eventOf('k', 6)], NOTE, position)).toMatchObject({ kind: 'stored' });
    expect(await port.next(tokenOf('k'), 0)).toMatchObject({
      token: 'k',
      position,
      note: { ...NOTE, sequence: 5, storedAt: 1_795_973_284_123 },
      headers: { mine: 'kept' },
    });
    expect((await port.last(tokenOf('k')))?.note.sequence).toBe(6);
    await port.removeLetter(position);
    await port.removeLetter(position);
    expect((await port.next(tokenOf('k'), 0))?.note.sequence).toBe(6);
  });

  test('letters of one write are stored together where the server knows batches, else one by one', async () => {
    const { topic, port } = await opened();
    const events = [5, 6, 7].map((sequence) => eventOf('k', sequence));
    const stored = await port.append(events, NOTE, 0);
    expect(stored).toMatchObject({ kind: 'stored', count: version === '2.10' ? 1 : 3 });
    const position = stored.kind === 'stored' ? stored.position : 0;
    expect((await port.last(tokenOf('k')))?.position).toBe(position);
    expect(await port.append(events, NOTE, 0)).toEqual({ kind: 'moved' });
    const counts = await (await world.topic(topic)).parkedArchive('g').letterCounts();
    expect(counts.get('k')).toBe(version === '2.10' ? 1 : 3);
  });

  test('letters of one write are stored one by one in a stream that was made without batches', async () => {
    const { topic, port } = await opened();
    const { config } = await world.api.request<{ config: object }>(`STREAM.INFO.${topic}_parked`);
    await world.api.request(`STREAM.DELETE.${topic}_parked`);
    await world.api.request(`STREAM.CREATE.${topic}_parked`, { ...config, allow_atomic: false });
    const events = [5, 6].map((sequence) => eventOf('k', sequence));
    expect(await port.append(events, NOTE, 0)).toMatchObject({ kind: 'stored', count: 1 });
    const last = (await port.last(tokenOf('k')))!;
    expect(last.headers).toEqual({ mine: 'kept' });
    expect(await port.append(events.slice(1), NOTE, last.position)).toMatchObject({
      kind: 'stored',
      count: 1,
    });
  });

  test('letters are read a page at a time, of one aggregate, or one by one where the server knows no batches', async () => {
    const { port } = await opened();
    let after = 0;
    for (const sequence of [5, 6, 7, 8]) {
      const stored = await port.append([eventOf('k', sequence, `"${sequence}"`)], NOTE, after);
      if (stored.kind === 'stored') after = stored.position;
      await port.append([eventOf(`other-${sequence}`, 100 + sequence)], NOTE, 0);
    }
    const first = (await port.next('k', 0))!;
    const page = await port.page('k', first.position, { count: 2, maxBytes: 1e6 });
    expect(page.map(({ note }) => note.sequence)).toEqual(version === '2.10' ? [6] : [6, 7]);
    expect(page[0]).toEqual(await port.next('k', first.position));
    expect(await port.page('k', after, { count: 2, maxBytes: 1e6 })).toEqual([]);
  });

  test.each([[false], [true]])(
    'letters are removed up to one, and no others (deny_purge: %s)',
    async (deny_purge) => {
      const { topic, port } = await opened();
      if (deny_purge) {
        const { config } = await world.api.request<{ config: object }>(`STREAM.INFO.${topic}_parked`);
        await world.api.request(`STREAM.DELETE.${topic}_parked`);
        await world.api.request(`STREAM.CREATE.${topic}_parked`, { ...config, deny_purge });
      }
      const positions: number[] = [];
      for (const sequence of [5, 6, 7]) {
        const stored = await port.append([eventOf('k', sequence)], NOTE, positions.at(-1) ?? 0);
        if (stored.kind === 'stored') positions.push(stored.position);
        await port.append([eventOf(`other-${sequence}`, 100 + sequence)], NOTE, 0);
      }
      await port.appendSkipped(eventOf('k', 4), { stream: NOTE.stream });
      await port.removeThrough('k', positions[1]!);
      await port.removeThrough('k', positions[1]!);
      const archive = (await world.topic(topic)).parkedArchive('g');
      expect((await port.next('k', 0))?.position).toBe(positions[2]);
      expect([...(await archive.letterCounts()).values()]).toEqual([1, 1, 1, 1]);
      expect((await archive.nextSkipped(0))?.note.sequence).toBe(4);
    },
  );

  test('a letter that is too large ends the write before it', async () => {
    const { port } = await opened();
    const events = [eventOf('k', 5), eventOf('k', 6, 'x'.repeat(1_048_576))];
    expect(await port.append(events, NOTE, 0)).toMatchObject({ kind: 'stored', count: 1 });
  });

  test('a letter that is too large is refused, and the connection stays', async () => {
    const { port } = await opened();
    const appended = await port.append([eventOf('k', 5, 'x'.repeat(1_048_576))], NOTE, 0);
    expect(appended).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/max_payload of the server is 1048576/),
    });
    expect(world.connection.connected).toBe(true);
  });

  test('a skipped event is stored once, but again if its stream was made again', async () => {
    const { topic, port } = await opened();
    const archive = (await world.topic(topic)).parkedArchive('g');
    const skip = (stream: string) => port.appendSkipped(eventOf('k', 5), { stream });
    const one = await skip('first');
    expect(await skip('first')).toEqual(one);
    const other = await skip('second');
    expect(other).not.toEqual(one);
    const found = await archive.nextSkipped(0);
    expect(found?.note).toMatchObject({ stream: 'first', sequence: 5 });
    expect((await archive.nextSkipped(found!.position))?.note.stream).toBe('second');
    expect(await archive.nextSkipped(found!.position + 1)).toBeUndefined();
  });
});
