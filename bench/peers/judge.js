/**
 * Judges a journal of lines `begin KEY N PID` and `end KEY N PID`, in the order they were written.
 * overtaken: begins of an event while an earlier one of its key has not ended yet, and nothing of the key runs.
 * atOnce: begins while another event of the key runs. repeated: begins of an event that had ended.
 */
export function judge(lines, events) {
  const keys = new Map();
  const found = { overtaken: 0, atOnce: 0, repeated: 0, missing: 0 };
  const ended = new Set();
  for (const line of lines) {
    const [what, key, n, pid] = line.split(' ');
    const state = keys.get(key) ?? { ended: new Set(), running: new Map(), through: 0 };
    keys.set(key, state);
    const number = Number(n);
    const run = `${n} ${pid}`;
    if (what === 'end') {
      ended.add(`${key} ${n}`);
      state.ended.add(number);
      state.running.delete(run);
      while (state.ended.has(state.through + 1)) state.through += 1;
    } else if (what === 'fail') {
      state.running.delete(run);
    } else {
      if (state.ended.has(number)) found.repeated += 1;
      else if (state.running.size > 0) found.atOnce += 1;
      else if (number > state.through + 1) found.overtaken += 1;
      state.running.set(run, true);
    }
  }
  return { ...found, missing: events - ended.size };
}
