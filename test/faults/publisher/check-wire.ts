import type { Finding } from './finding.js';
import type { History } from './history.js';

interface KeyState {
  n: number;
  definite: boolean;
}

/**
 * I10, from what passed the proxies: within a life the first send of an event comes after a definite answer to the
 * event of its key that was sent before, or after the stream was asked what became of that. The fast lane is not
 * judged here: there the server refuses what comes without its predecessor.
 */
export function checkWire({ wire }: History): Finding[] {
  const findings: Finding[] = [];
  const states = new Map<string, KeyState>();
  for (const line of wire) {
    if (!('key' in line)) continue;
    const { key, life } = line;
    const name = `${life} ${key}`;
    const state = states.get(name);
    if (line.what === 'told') {
      if (state !== undefined) state.definite = true;
    } else if (line.what === 'answer') {
      if (state?.n === line.n && line.answer !== 'unavailable') state.definite = true;
    } else if (!line.fastLane) {
      const { n } = line;
      if (state !== undefined && n > state.n && !state.definite) {
        findings.push({ checker: 'wire', text: `${key}: life ${life} sent ${n} while ${state.n} was open` });
      } else if (state !== undefined && n < state.n) {
        findings.push({ checker: 'wire', text: `${key}: life ${life} sent ${n} after ${state.n}` });
      }
      states.set(name, { n, definite: state?.n === n && state.definite });
    }
  }
  return findings;
}
