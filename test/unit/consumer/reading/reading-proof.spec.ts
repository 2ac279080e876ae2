import { expect, test } from '@jest/globals';
import { ReadingProof } from '#library/consumer/reading/reading-proof.js';

function delivered(proof: ReadingProof, ...sequences: readonly number[]): void {
  for (const sequence of sequences) proof.noteDelivered(sequence);
}

test('what had arrived when a question was sent is proven by its answer, and what came later is not', () => {
  const proof = new ReadingProof();
  proof.begin(10);
  delivered(proof, 12, 15);
  const mark = proof.mark();
  delivered(proof, 20);
  proof.prove(mark);
  expect(proof.nextSequence).toBe(16);
});

test('a quiet partition is proven as far as its reader has gone past other events', () => {
  const proof = new ReadingProof();
  proof.begin(0);
  proof.noteReadThrough(500);
  proof.prove(proof.mark());
  expect(proof.nextSequence).toBe(501);
});

test('only what an earlier reader went past without delivering it was missed', () => {
  const proof = new ReadingProof();
  proof.begin(0);
  delivered(proof, 1, 2, 6);
  proof.noteReadThrough(9);
  expect([1, 3, 8].map((sequence) => proof.hasMissed(sequence))).toEqual([false, false, false]);
  proof.doubt();
  expect([1, 2, 3, 6, 8, 9, 10].filter((sequence) => proof.hasMissed(sequence))).toEqual([3, 8, 9]);
});

test('a reader that is left while it reads again forgets neither what it nor what the one before delivered', () => {
  const proof = new ReadingProof();
  proof.begin(0);
  delivered(proof, 1, 6);
  proof.doubt();
  delivered(proof, 1, 3);
  proof.prove(proof.mark());
  delivered(proof, 4);
  proof.doubt();
  expect(proof.nextSequence).toBe(4);
  expect([3, 4, 5, 6].filter((sequence) => proof.hasMissed(sequence))).toEqual([5]);
});

test('a mark from before another reader proves nothing of what was read since', () => {
  const proof = new ReadingProof();
  proof.begin(0);
  delivered(proof, 1);
  proof.prove(proof.mark());
  delivered(proof, 2, 3);
  proof.doubt();
  delivered(proof, 2);
  expect(proof.nextSequence).toBe(2);
  proof.prove(proof.mark());
  expect(proof.nextSequence).toBe(3);
});

test('nothing is doubtful any more once the stretch was read again and proven', () => {
  const proof = new ReadingProof();
  proof.begin(0);
  delivered(proof, 1, 6);
  proof.doubt();
  delivered(proof, 1, 2, 6);
  proof.prove(proof.mark());
  expect([3, 5].some((sequence) => proof.hasMissed(sequence))).toBe(false);
});

test('asks for a look after each 500 deliveries without one, and keeps at most 80 000 of them', () => {
  const proof = new ReadingProof();
  proof.begin(0);
  const asking: number[] = [];
  for (let sequence = 0; sequence <= 80_001; sequence++) {
    if (sequence > 0) proof.noteDelivered(sequence);
    if (sequence < 1_200 && proof.asksForLook) asking.push(sequence);
  }
  expect(asking).toEqual([500, 1_000]);
  expect(proof.nextSequence).toBe(40_001);
  expect(proof.mark().count).toBe(80_001);
});

test('what an edited reader may have missed is unread until a later one has gone past it, and nothing is without an edit', () => {
  const proof = new ReadingProof();
  proof.begin(0);
  delivered(proof, 2, 5);
  proof.doubt();
  expect([proof.isRereading(), proof.unread(9)]).toEqual([false, []]);
  proof.noteEdit();
  expect([proof.isRereading(), proof.unread(9), proof.unread(3)]).toEqual([true, [1, 3, 4], [1, 3]]);
  delivered(proof, 3);
  expect(proof.unread(9)).toEqual([4]);
  proof.noteReadThrough(5);
  expect([proof.isRereading(), proof.unread(9)]).toEqual([false, []]);
});
