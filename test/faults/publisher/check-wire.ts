import type { Finding } from './finding.js';
import type { History } from './history.js';
import type { DriverLine } from './journal-lines.js';

type Sent = DriverLine & { what: 'sent' };
type Answer = DriverLine & { what: 'answer' };

/** Events that left as one. */
interface SentBatch {
  readonly id: string;
  readonly first: number;
  last: number;
  is: 'opening' | 'opened' | 'refused' | 'stored';
  /** Its first event has left alone. */
  followed: boolean;
}

/**
 * `wire`, from what passed the proxies. Within a life the first send of an event follows a definite answer to the
 * event of its key before it. Or the stream was asked what became of that one. Or both go in one batch that the server
 * had opened. That each copy of it was answered as not stored is definite, too. What was in a batch leaves once more
 * only alone, from the batch's first event on.
 */
export function checkWire({ wire }: History): Finding[] {
  const keys = new Map<string, KeyOnWire>();
  const findings: Finding[] = [];
  for (const line of wire) {
    if (!('key' in line)) continue;
    const name = `${line.life} ${line.key}`;
    const known = keys.get(name) ?? new KeyOnWire();
    keys.set(name, known);
    if (line.what === 'told') known.told();
    else if (line.what === 'answer') known.answered(line);
    else {
      const wrong = line.batch === undefined ? known.leftAlone(line) : known.leftInBatch(line);
      const text = `${line.key}: life ${line.life} sent ${line.n} ${wrong ?? ''}`;
      if (wrong !== undefined) findings.push({ checker: 'wire', text });
    }
  }
  return findings;
}

/** What one life has sent of one key. */
class KeyOnWire {
  /** The event that was sent last, other than a copy; 0 if none was. */
  #n = 0;
  #isDefinite = true;
  /** Copies of the event sent last, alone or as the first of a batch, that no answer says are not stored. */
  #openCopies = 0;
  /** The highest that was ever sent. */
  #highest = 0;
  #batch: SentBatch | undefined;

  /** Why an event may not leave by itself now. */
  leftAlone({ n }: Sent): string | undefined {
    const batch = this.#batch;
    // A copy that crossed the answer.
    if (batch?.is === 'stored' && n >= batch.first && n <= batch.last) return undefined;
    if (batch?.first === n && !batch.followed) {
      batch.followed = true;
      this.#isDefinite = false;
      // The copy in the batch, unless its refusal was heard, and this one.
      this.#openCopies = batch.is === 'refused' ? 1 : 2;
      this.#n = n;
      return undefined;
    }
    const wrong = this.#whyNot(n);
    if (n !== this.#n) {
      this.#isDefinite = false;
      this.#openCopies = 0;
    }
    this.#openCopies++;
    this.#n = n;
    this.#highest = Math.max(this.#highest, n);
    return wrong;
  }

  /** Why an event may not leave in this batch now. */
  leftInBatch({ n, batch: place }: Sent): string | undefined {
    const { id, isFirst } = place!;
    const batch = this.#batch;
    let wrong: string | undefined;
    if (n <= this.#highest) wrong = `in a batch after ${this.#highest}`;
    else if (isFirst) wrong = this.#whyNot(n);
    else if (batch?.id !== id || batch.followed)
      wrong = 'in a batch that another one, or a lone event, has followed';
    else if (batch.is !== 'opened') wrong = 'in a batch that was not opened';
    if (isFirst) this.#batch = { id, first: n, last: n, is: 'opening', followed: false };
    else if (batch?.id === id) batch.last = n;
    this.#isDefinite = false;
    this.#openCopies = 1;
    this.#n = n;
    this.#highest = Math.max(this.#highest, n);
    return wrong;
  }

  answered({ n, answer, batch: id }: Answer): void {
    const batch = this.#batch;
    if (id === undefined) {
      if (this.#n !== n) return;
      if (answer === 'not-stored') this.#openCopies--;
      else if (answer !== 'unavailable') this.#isDefinite = true;
    } else if (batch?.id === id) {
      if (answer === 'opened') batch.is = 'opened';
      const isRefused = answer === 'refused' || answer === 'not-stored';
      if (isRefused && !batch.followed) {
        batch.is = 'refused';
        this.#isDefinite = true;
      } else if (isRefused && this.#n === batch.first) this.#openCopies--;
      // Late, it tells of all in it that were not told of one by one meanwhile.
      if (answer === 'stored' && this.#n <= batch.last) {
        batch.is = 'stored';
        this.#n = batch.last;
        this.#isDefinite = true;
      }
    }
  }

  told(): void {
    this.#isDefinite = true;
  }

  #whyNot(n: number): string | undefined {
    if (n > this.#n && !this.#isDefinite && this.#openCopies > 0) return `while ${this.#n} was open`;
    return n < this.#n ? `after ${this.#n}` : undefined;
  }
}
